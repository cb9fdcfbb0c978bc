import { Option } from 'commander';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { withCancelNote } from './cancel-output.ts';
import { createCommand } from './create-command.ts';
import { endWith } from './end-with.ts';
import { assertHiveNames, type HiveOption, ONLY_HIVE } from './option-values.ts';
import { showList, WATCH, type WatchOption } from './show-list.ts';

const ID_TEXT = 'model id, its beginning, or model name';

export const listModels = createCommand<[options: HiveOption & WatchOption]>({
  name: 'list',
  aliases: ['ls'],
  description: 'list models, partial downloads and problems of all hives',
  examples: ['model list', 'ls --hive gpu-1 --json'],
  weight: 'light',
  define(command) {
    command.option(...ONLY_HIVE).option(...WATCH);
  },
  async run(session, { hive, ...options }) {
    const [{ modelList }, { modelsText, storeNotesText }] = await Promise.all([
      import('../operations/lists.ts'),
      import('../render/list-text.ts'),
    ]);
    return showList(
      session,
      options,
      (deps) => modelList(deps, hive),
      (listing) => {
        session.renderer.result(
          listing,
          () => modelsText(listing, session.text),
          () => storeNotesText(listing, session.text),
        );
        return listing.problems.some(({ path }) => path === null) ? exitCodes.unreachable : exitCodes.done;
      },
    );
  },
});

export const getModel = createCommand<[id: string, options: HiveOption]>({
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

interface RemoveOptions extends HiveOption {
  readonly allHives?: boolean;
}

export const removeModels = createCommand<[ids: readonly string[], options: RemoveOptions]>({
  name: 'remove',
  aliases: ['rm'],
  description: 'remove models and the files only they use',
  examples: ['model remove m-0123456789ab', 'model rm hf:org/repo --yes', 'model rm m-0123456789ab --hive gpu-1'],
  define(command) {
    command
      .argument('<id...>', 'model ids, their beginnings, or model names')
      .option('--hive <name>', 'remove from this hive (required if several have it)')
      .addOption(new Option('--all-hives', 'remove from every hive that has it').conflicts('hive'));
  },
  async run(session, ids, wanted) {
    const [{ assertNames, findTargets }, { modelRemove, weighRemoval }, { asks, confirm }, text] = await Promise.all([
      import('../operations/removal-targets.ts'),
      import('../operations/model-remove.ts'),
      import('../operations/confirm.ts'),
      import('../render/removal-text.ts'),
    ]);
    assertHiveNames(wanted.hive);
    assertNames(ids);
    return session.withQueen(async (deps) => {
      const listing = await deps.client.models(deps.signal);
      const targets = uniqueTargets(ids.flatMap((id) => findTargets(listing, id, wanted)));
      if (asks(session)) {
        const planned = await weighRemoval(deps, targets);
        if (planned.failures.length > 0) return worstOf(planned.failures.map((failure) => endWith(session, failure)));
        const isWanted = await confirm(session, {
          preview: text.removalText(planned, session.text),
          question: `Remove ${targets.length === 1 ? 'it' : 'them'} and free ${text.freedText(planned)}?`,
          refusal: 'nothing was removed',
        });
        if (!isWanted) return exitCodes.failed;
      }
      const { failures, ...result } = await modelRemove(deps, targets);
      session.renderer.result(result, () => text.removedText(result, session.text));
      return worstOf(failures.map((failure) => endWith(session, failure)));
    });
  },
});

function uniqueTargets<T>(targets: readonly T[]): T[] {
  return [...new Map(targets.map((target) => [JSON.stringify(target), target])).values()];
}

export const verifyModels = createCommand<
  [id: string | undefined, options: HiveOption & { readonly repair?: boolean }]
>({
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

interface PruneOptions extends HiveOption {
  readonly dryRun?: boolean;
  readonly partials?: boolean;
  readonly olderThan?: string;
}

/** For how long recent files stay. */
const DEFAULT_AGE = '24 h';

export const pruneModels = createCommand<[options: PruneOptions]>({
  name: 'prune',
  description: 'remove old partial, unused and damaged files and dead links',
  examples: ['model prune --dry-run', 'model prune --partials', 'model prune --older-than 7d --hive gpu-1'],
  define(command) {
    command
      .option('--dry-run', 'show what would be removed')
      .option('--partials', 'only partial files, recent ones too')
      .option('--older-than <duration>', `only files that changed longer ago: 12h, 7d (default: ${DEFAULT_AGE})`)
      .option(...ONLY_HIVE);
  },
  async run(session, { hive, dryRun = false, partials = false, olderThan }) {
    const [{ parseDuration }, { modelPrune }, { asks, confirm }, text] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/model-prune.ts'),
      import('../operations/confirm.ts'),
      import('../render/removal-text.ts'),
    ]);
    assertHiveNames(hive);
    const minAgeMs = olderThan === undefined ? null : parseDuration(olderThan);
    const request = { hive, partials, minAgeMs };
    return session.withQueen(async (deps) => {
      if (!dryRun && asks(session)) {
        const { pruned: planned } = await modelPrune(deps, { ...request, dryRun: true });
        const isWanted =
          planned.removed.length === 0 ||
          (await confirm(session, {
            preview: text.prunableText(planned, session.text),
            question: text.pruneQuestion(planned),
            refusal: 'nothing was removed',
          }));
        if (!isWanted) return exitCodes.failed;
      }
      const { pruned, failure } = await modelPrune(deps, { ...request, dryRun });
      session.renderer.result(pruned, () => text.prunedText(pruned, session.text, olderThan ?? DEFAULT_AGE));
      return endWith(session, failure);
    });
  },
});
