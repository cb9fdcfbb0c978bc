import { Option } from 'commander';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { CommandDeps } from '../operations/command-deps.ts';
import type { Session } from '../session.ts';
import type { WatchEvent } from '../watch-event.ts';
import { withCancelNote } from './cancel-output.ts';
import { createCommand } from './create-command.ts';
import { assertHiveNames, collect, MAX_BANDWIDTH, priority, sha256 } from './option-values.ts';

const MAX_MODELS = 100;
/** A list is worked through a hundred at a time. */
const MAX_LISTED = 10_000;

interface DownloadOptions {
  readonly hive?: readonly string[];
  readonly allHives?: boolean;
  readonly detach?: boolean;
  readonly sha256?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** False with `--no-mmproj`. */
  readonly mmproj: boolean;
  readonly maxBandwidth?: string;
  readonly priority?: number;
  readonly input?: string;
  readonly dryRun?: boolean;
  readonly localDir?: string;
  readonly onComplete?: string;
  readonly between?: string;
}

export const downloadModels = createCommand<[models: readonly string[], options: DownloadOptions]>({
  name: 'download',
  aliases: ['pull', 'dl'],
  description: 'download models and print their paths',
  examples: [
    'model download hf:org/repo::file=model.Q4_K_M.gguf',
    'pull org/repo --hive gpu-1 --detach',
    "pull org/repo --include '*.safetensors' --include '*.json'",
    'pull org/repo --max-bandwidth 50MB/s --priority 10',
    'pull -i models.txt --between 02:00-07:00',
    `pull org/repo:Q4_K_M --local-dir models --on-complete 'llama-server -m "$1"'`,
  ],
  define(command) {
    command
      .argument('[model...]', 'model names: org/repo[:QUANT] or hf:org/repo[@rev][::file=path]')
      .option('-i, --input <file>', 'also download the models of a list, one on each line (-: standard input)')
      .option('--hive <name>', 'download to this hive (repeatable)', collect)
      .addOption(new Option('--all-hives', 'download to every hive').conflicts('hive'))
      .option('--detach', 'print the download ids and exit')
      .option('--dry-run', 'show what would be downloaded, as model plan does')
      .option('--include <glob>', 'download only matching files (repeatable)', collect)
      .option('--exclude <glob>', 'skip matching files (repeatable)', collect)
      .option('--no-mmproj', 'download a vision model without its vision part')
      .option('--sha256 <hex>', 'expected SHA-256 of the file', sha256)
      .addOption(new Option('--local-dir <folder>', 'put the files into this folder, too').conflicts('detach'))
      .addOption(
        new Option('--on-complete <command>', 'run this in a shell afterwards; "$1" is the path').conflicts('detach'),
      )
      .addOption(new Option('--between <times>', 'download only then, else pause: 02:00-07:00').conflicts('detach'))
      .option(...MAX_BANDWIDTH)
      .option('--priority <number>', 'queue priority, higher starts first (default: 0)', priority);
  },
  display: (_, { detach, dryRun }) => (dryRun ? 'result' : detach ? 'detach' : 'download'),
  async run(session, models, options) {
    const { parseBandwidth } = await import('@rbee/contract');
    const { hive, allHives = false, detach = false, dryRun = false } = options;
    const refs = await refsOf(session, models, options);
    assertHiveNames(...(hive ?? []));
    const request = {
      hives: allHives ? ('*' as const) : hive === undefined ? null : [...new Set(hive)],
      sha256: options.sha256 ?? null,
      ...(options.include === undefined ? {} : { include: options.include }),
      ...(options.exclude === undefined ? {} : { exclude: options.exclude }),
      noProjector: !options.mmproj,
      ...(options.maxBandwidth === undefined ? {} : { maxBandwidth: parseBandwidth(options.maxBandwidth) }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      detach,
    };
    const after = dryRun ? null : await afterwardsOf(session, options);
    const needsQueen = detach ? '--detach' : allHives ? '--all-hives' : hive === undefined ? null : '--hive';
    return session.withQueen(
      async (deps) => {
        const isList = options.input !== undefined || options.sha256 !== undefined || options.include !== undefined;
        const chosen = isList ? refs : await chosenOf(session, deps, refs, request.hives);
        if (chosen === null) return exitCodes.failed;
        if (dryRun) return plan(session, deps, [...new Set(chosen)], request);
        session.renderer.expect(chosen);
        const work = () => download(session, deps, { ...request, refs: [...new Set(chosen)] }, after);
        return detach ? work() : withCancelNote(session, work);
      },
      { needsQueen, resumes: !dryRun },
    );
  },
});

/** The refs of the command line and of the list, checked before anything starts. @throws KeeperError USAGE, RbeeError */
async function refsOf(
  { io }: Session,
  models: readonly string[],
  { input, sha256: digest }: DownloadOptions,
): Promise<readonly string[]> {
  const [{ parseModelRef }, { readRefList }] = await Promise.all([
    import('@rbee/contract'),
    import('../operations/pull/read-ref-list.ts'),
  ]);
  for (const model of models) parseModelRef(model);
  if (models.length > MAX_MODELS) {
    throw usageError(
      `too many models: the limit is ${MAX_MODELS} per command`,
      'put them into a file, and use -i FILE',
    );
  }
  if (models.length === 0 && input === undefined) {
    throw usageError(
      "missing required argument 'model'",
      'name a model, as in org/repo:Q4_K_M, or a list with -i FILE',
    );
  }
  const listed = input === undefined ? [] : await readRefList(input, io);
  const refs = [...models, ...listed];
  if (refs.length > MAX_LISTED) throw usageError(`too many models: the limit is ${MAX_LISTED} per list`);
  if (digest !== undefined && new Set(refs).size > 1) throw usageError('--sha256 needs exactly one model name');
  return refs;
}

type Request = Omit<Parameters<typeof import('../operations/model-download.ts').modelDownload>[1], 'refs'>;

/** Null where the user was asked which quantisation, and chose none. */
async function chosenOf(
  session: Session,
  deps: CommandDeps,
  refs: readonly string[],
  hives: Request['hives'],
): Promise<readonly string[] | null> {
  const { chooseQuantisation } = await import('../operations/pull/choose-quantisation.ts');
  const hive = hives === null || hives === '*' || hives.length > 1 ? undefined : hives[0];
  const chosen = new Map<string, string>();
  for (const ref of new Set(refs)) {
    const one = await chooseQuantisation(session, deps, ref, hive);
    if (one === null) {
      session.renderer.note('nothing was started');
      return null;
    }
    chosen.set(ref, one);
  }
  return refs.map((ref) => chosen.get(ref) ?? ref);
}

async function plan(session: Session, deps: CommandDeps, refs: readonly string[], request: Request): Promise<number> {
  const [{ planRefs }, { wantedBy }, { planText }] = await Promise.all([
    import('../operations/pull/plan-refs.ts'),
    import('../operations/model-download.ts'),
    import('../render/model-text.ts'),
  ]);
  const { renderer } = session;
  const { hives } = request;
  const names = hives === null ? [undefined] : hives === '*' ? ['*'] : hives;
  const wanted = refs.map((ref) => wantedBy(request, ref));
  let isFirst = true;
  const codes = await planRefs(deps, wanted, names, {
    plan(planned) {
      const gap = isFirst ? '' : '\n';
      isFirst = false;
      renderer.result(planned, () => gap + planText(planned, session.text));
    },
    failure: (failure) => renderer.failure(failure),
  });
  return worstOf(codes);
}

interface Afterwards {
  /** Follows the events; `path` is where to find a model that is complete. */
  wrap(deps: CommandDeps, request: Request): { readonly deps: CommandDeps; settle(): Promise<Settled> };
  readonly command: string | null;
}

interface Settled {
  readonly paths: readonly string[];
  readonly codes: readonly number[];
}

/** What the options want beside the download. A wrong one is noticed before anything starts. */
async function afterwardsOf(session: Session, options: DownloadOptions): Promise<Afterwards> {
  const { between, localDir, onComplete } = options;
  const [{ createPlacing }, { makeLocalDir }, schedule] = await Promise.all([
    import('../operations/pull/placing.ts'),
    import('../operations/pull/local-dir.ts'),
    import('../operations/pull/between.ts'),
  ]);
  const window = between === undefined ? null : schedule.parseTimeWindow(between);
  if (localDir !== undefined) await makeLocalDir(localDir);
  return {
    command: onComplete ?? null,
    wrap(deps, request) {
      const note = (text: string) => session.renderer.note(text);
      const paused =
        window === null ? null : schedule.createSchedule(window, { ...deps, note, now: () => session.io.now() });
      const placing = createPlacing(session, deps, request, localDir ?? null);
      const emit = (event: WatchEvent) => {
        paused?.onEvent(event);
        placing.onEvent(event);
      };
      return {
        deps: { ...deps, emit },
        async settle() {
          paused?.close();
          return placing.settle();
        },
      };
    },
  };
}

async function download(
  session: Session,
  deps: CommandDeps,
  request: Request & { readonly refs: readonly string[] },
  after: Afterwards | null,
): Promise<number> {
  const { modelDownload } = await import('../operations/model-download.ts');
  if (after === null) return modelDownload(deps, request);
  const wrapped = after.wrap(deps, request);
  let settled: Settled = { paths: [], codes: [] };
  let code: number;
  try {
    code = await modelDownload(wrapped.deps, request);
  } finally {
    settled = await wrapped.settle();
  }
  const worst = worstOf([code, ...settled.codes]);
  if (worst !== exitCodes.done || after.command === null) return worst;
  const { runOnComplete } = await import('../operations/pull/on-complete.ts');
  try {
    return await runOnComplete(after.command, settled.paths, session.io);
  } catch (error) {
    const failure = await toFailure(error);
    session.renderer.failure(failure);
    return failure.exitCode;
  }
}
