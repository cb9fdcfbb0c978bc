import { type ModelRemoved, modelRemovedSchema, modelsPrunedSchema } from '@rbee/contract';
import { type Failure, toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import type { HiveRemoved, RemovedPartial } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import type { RemovalTarget } from './removal-targets.ts';
import { runOperation } from './run-operation.ts';

export interface Removal {
  readonly removed: readonly HiveRemoved[];
  /** Partial files that were removed. */
  readonly partials: readonly RemovedPartial[];
  /** Why some were not removed. */
  readonly failures: readonly Failure[];
}

/** Removes models and partials one by one. One that cannot be removed does not stop the rest. */
export function modelRemove(deps: CommandDeps, targets: readonly RemovalTarget[]): Promise<Removal> {
  return perform(deps, targets, false);
}

/** What `modelRemove` would remove and free. A file that several of the models share counts once. */
export function weighRemoval(deps: CommandDeps, targets: readonly RemovalTarget[]): Promise<Removal> {
  return perform(deps, targets, true);
}

async function perform(deps: CommandDeps, targets: readonly RemovalTarget[], isDry: boolean): Promise<Removal> {
  const removed: HiveRemoved[] = [];
  const partials: RemovedPartial[] = [];
  const failures: Failure[] = [];
  for (const target of targets) {
    try {
      const { failure } =
        target.kind === 'model'
          ? await removeModel(deps, target, isDry, removed)
          : await removePartials(deps, target, isDry, partials);
      if (failure !== null) failures.push(failure);
    } catch (error) {
      deps.signal.throwIfAborted();
      failures.push(await toFailure(error));
    }
  }
  return { removed, partials, failures };
}

async function removeModel(
  deps: CommandDeps,
  { hive_id: hive, model_id: id }: Extract<RemovalTarget, { kind: 'model' }>,
  isDry: boolean,
  removed: HiveRemoved[],
) {
  const before = removed.filter(({ hive_id }) => hive_id === hive).map(({ model_id }) => model_id);
  const dry = isDry ? { dry_run: true, after: before } : {};
  const operation = { operation: 'model_delete', id, ...dry } as const;
  const { results, failure } = await runOperation<ModelRemoved>(deps, operation, modelRemovedSchema, { hive });
  removed.push(...results);
  return { failure };
}

async function removePartials(
  deps: CommandDeps,
  { hive_id: hive, origin, paths }: Extract<RemovalTarget, { kind: 'partials' }>,
  isDry: boolean,
  partials: RemovedPartial[],
) {
  const { results, failure } = await runOperation(
    deps,
    { operation: 'model_prune', paths: [...paths], dry_run: isDry },
    modelsPrunedSchema,
    { hive },
  );
  partials.push(...results.flatMap(({ hive_id, removed }) => removed.map((entry) => ({ hive_id, origin, ...entry }))));
  if (failure !== null || !results.some(({ kept = [] }) => kept.length > 0)) return { failure };
  const error = new KeeperError('JOB_FAILED', `a download may need the partial files of ${origin} on ${hive}`, {
    hint: 'cancel it first: "rbee-keeper download list" shows its id, "rbee-keeper stop ID --discard" removes them',
  });
  return { failure: await toFailure(error) };
}
