import { Option } from 'commander';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import type { Failure } from '../errors/failure.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { Session } from '../session.ts';
import { withCancelNote } from './cancel-output.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import {
  assertHiveNames,
  collect,
  type HiveOption,
  MAX_BANDWIDTH,
  ONLY_HIVE,
  priority,
  sha256,
} from './option-values.ts';

/** Models of one command: each opens two streams. */
const MAX_MODELS = 100;
const ID_TEXT = 'model id, its beginning, or model name';

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
  ],
  define(command) {
    command
      .argument('<model...>', 'model names: org/repo[:QUANT] or hf:org/repo[@rev][::file=path]')
      .option('--hive <name>', 'download to this hive (repeatable)', collect)
      .addOption(new Option('--all-hives', 'download to every hive').conflicts('hive'))
      .option('--detach', 'print the download ids and exit')
      .option('--include <glob>', 'download only matching files (repeatable)', collect)
      .option('--exclude <glob>', 'skip matching files (repeatable)', collect)
      .option('--no-mmproj', 'download a vision model without its vision part')
      .option('--sha256 <hex>', 'expected SHA-256 of the file', sha256)
      .option(...MAX_BANDWIDTH)
      .option('--priority <number>', 'queue priority, higher starts first (default: 0)', priority);
  },
  display: (_, { detach }) => (detach ? 'detach' : 'download'),
  async run(session, models, { hive, allHives = false, detach = false, ...options }) {
    const [{ parseBandwidth, parseModelRef }, { modelDownload }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/model-download.ts'),
    ]);
    for (const model of models) parseModelRef(model);
    if (models.length > MAX_MODELS) throw usageError(`too many models: the limit is ${MAX_MODELS} per command`);
    if (options.sha256 !== undefined && models.length > 1) throw usageError('--sha256 needs exactly one model name');
    assertHiveNames(...(hive ?? []));
    const request = {
      refs: [...new Set(models)],
      hives: allHives ? '*' : hive === undefined ? null : [...new Set(hive)],
      sha256: options.sha256 ?? null,
      ...(options.include === undefined ? {} : { include: options.include }),
      ...(options.exclude === undefined ? {} : { exclude: options.exclude }),
      noProjector: !options.mmproj,
      ...(options.maxBandwidth === undefined ? {} : { maxBandwidth: parseBandwidth(options.maxBandwidth) }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      detach,
    } as const;
    const needsQueen = detach ? '--detach' : allHives ? '--all-hives' : hive === undefined ? null : '--hive';
    return session.withAnyQueen({ needsQueen }, (deps) => {
      const work = () => modelDownload(deps, request);
      return detach ? work() : withCancelNote(session, work);
    });
  },
});

const plan = createCommand<[model: string, options: HiveOption]>({
  name: 'plan',
  description: 'show the files, sizes and disk space of a download',
  examples: ['model plan hf:org/repo', 'model plan org/repo:Q4_K_M --hive gpu-1'],
  define(command) {
    command
      .argument('<model>', 'model name, as for model download')
      .option('--hive <name>', 'plan for this hive (default: the queen chooses)');
  },
  async run(session, model, { hive }) {
    const [{ modelPlanSchema, parseModelRef }, { runOperation }, { planText }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/run-operation.ts'),
      import('../render/model-text.ts'),
    ]);
    parseModelRef(model);
    assertHiveNames(hive);
    const { results, failure } = await session.withQueen((deps) =>
      runOperation(deps, { operation: 'model_plan', model }, modelPlanSchema, { hive }),
    );
    const [planned] = results;
    if (planned !== undefined) session.renderer.result(planned, () => planText(planned, session.text));
    return endWith(session, failure);
  },
});

export const listModels = createCommand<[options: HiveOption]>({
  name: 'list',
  aliases: ['ls'],
  description: 'list models, partial downloads and problems of all hives',
  examples: ['model list', 'ls --hive gpu-1 --json'],
  weight: 'light',
  define(command) {
    command.option(...ONLY_HIVE);
  },
  async run(session, { hive }) {
    const [{ modelList }, { modelsText, storeNotesText }] = await Promise.all([
      import('../operations/lists.ts'),
      import('../render/list-text.ts'),
    ]);
    const listing = await session.withLists((deps) => modelList(deps, hive));
    session.renderer.result(
      listing,
      () => modelsText(listing, session.text),
      () => storeNotesText(listing, session.text),
    );
    return listing.problems.some(({ path }) => path === null) ? exitCodes.unreachable : exitCodes.done;
  },
});

const get = createCommand<[id: string, options: HiveOption]>({
  name: 'get',
  aliases: ['show'],
  description: 'show the files, path and GGUF metadata of a model',
  examples: ['model get m-0123456789ab', 'model show hf:org/repo::file=model.Q4_K_M.gguf'],
  define(command) {
    command.argument('<id>', ID_TEXT).option(...ONLY_HIVE);
  },
  async run(session, text, { hive }) {
    const [{ modelDetailSchema }, { resolveModelId }, { runOperation }, { modelText }] = await Promise.all([
      import('@rbee/contract'),
      import('../daemon-client/resolve-model.ts'),
      import('../operations/run-operation.ts'),
      import('../render/model-text.ts'),
    ]);
    assertHiveNames(hive);
    const { results, failure } = await session.withQueen(async (deps) => {
      const id = await resolveModelId(deps.client, text, hive, deps.signal);
      return runOperation(deps, { operation: 'model_get', id }, modelDetailSchema, { hive });
    });
    const allText = () => results.map((model) => modelText(model, session.text)).join('\n');
    if (results.length > 0) session.renderer.result({ models: results }, allText);
    return endWith(session, failure);
  },
});

const remove = createCommand<[ids: readonly string[], options: HiveOption]>({
  name: 'remove',
  aliases: ['rm'],
  description: 'remove models and the files only they use',
  examples: ['model remove m-0123456789ab', 'model rm m-0123456789ab --hive gpu-1'],
  define(command) {
    command
      .argument('<id...>', 'model ids, their beginnings, or model names')
      .option('--hive <name>', 'remove from this hive (required if several have it)');
  },
  async run(session, ids, { hive }) {
    const [{ modelRemove }, { removedText }] = await Promise.all([
      import('../operations/model-remove.ts'),
      import('../render/model-text.ts'),
    ]);
    assertHiveNames(hive);
    const { removed, failures } = await session.withQueen((deps) => modelRemove(deps, ids, hive));
    session.renderer.result({ removed }, () => removedText(removed));
    return worstOf(failures.map((failure) => endWith(session, failure)));
  },
});

const verify = createCommand<[id: string | undefined, options: HiveOption & { readonly repair?: boolean }]>({
  name: 'verify',
  description: 'check the files of models against their digests',
  examples: ['model verify', 'model verify m-0123456789ab --repair'],
  define(command) {
    command
      .argument('[id]', `${ID_TEXT} (default: all models)`)
      .option('--repair', 'download damaged files again')
      .option(...ONLY_HIVE);
  },
  display: (_, { repair }) => (repair ? 'download' : 'result'),
  async run(session, id, { hive, repair = false }) {
    const [{ modelVerify, repairModels }, { verifiedText }] = await Promise.all([
      import('../operations/model-verify.ts'),
      import('../render/model-text.ts'),
    ]);
    assertHiveNames(hive);
    const { renderer } = session;
    const work = () =>
      session.withQueen(async (deps) => {
        const { models, failure } = await modelVerify(deps, id, hive, (text) => renderer.note(text));
        renderer.result({ models }, () => verifiedText(models, repair, session.text));
        const damaged = models.filter((model) => !model.ok);
        const found = damaged.length === 0 ? exitCodes.done : exitCodes.failed;
        const repaired = repair && damaged.length > 0 ? await repairModels(deps, damaged) : found;
        return worstOf([repaired, endWith(session, failure)]);
      });
    return withCancelNote(session, work);
  },
});

const prune = createCommand<[options: HiveOption & { readonly dryRun?: boolean }]>({
  name: 'prune',
  description: 'remove old partial, unused and damaged files and dead links',
  examples: ['model prune --dry-run', 'model prune --hive gpu-1'],
  define(command) {
    command.option('--dry-run', 'show what would be removed').option(...ONLY_HIVE);
  },
  async run(session, { hive, dryRun = false }) {
    const [{ modelsPrunedSchema }, { runOperation }, { prunedText }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/run-operation.ts'),
      import('../render/model-text.ts'),
    ]);
    assertHiveNames(hive);
    const { results, failure } = await session.withQueen((deps) =>
      runOperation(deps, { operation: 'model_prune', dry_run: dryRun }, modelsPrunedSchema, { hive }),
    );
    const pruned = {
      dry_run: dryRun,
      freed_bytes: results.reduce((sum, result) => sum + result.freed_bytes, 0),
      removed: results.flatMap(({ hive_id, removed }) => removed.map((entry) => ({ hive_id, ...entry }))),
    };
    session.renderer.result(pruned, () => prunedText(pruned, session.text));
    return endWith(session, failure);
  },
});

/** Shows why not every hive did it, and returns the exit code. */
function endWith(session: Session, failure: Failure | null): number {
  if (failure === null) return exitCodes.done;
  session.renderer.failure(failure);
  return failure.exitCode;
}

export const modelGroup: CommandGroup = {
  name: 'model',
  description: 'download, list, verify and remove models',
  commands: [downloadModels, plan, listModels, get, remove, verify, prune],
};
