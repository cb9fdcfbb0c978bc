import { modelRemovedSchema } from '@rbee/contract';
import type { HiveRemoved } from '../answers.ts';
import { type Failure, toFailure } from '../errors/failure.ts';
import type { CommandDeps } from './command-deps.ts';
import { resolveModelId } from './model-id.ts';
import { runOperation } from './run-operation.ts';

export interface Removal {
  readonly removed: readonly HiveRemoved[];
  /** Why some of them were not removed. */
  readonly failures: readonly Failure[];
}

/** Removes models, one after another; what cannot be removed does not keep the others. Ids are read first, all of them. */
export async function modelRemove(
  deps: CommandDeps,
  texts: readonly string[],
  hive: string | undefined,
): Promise<Removal> {
  const ids = new Set(await Promise.all(texts.map((text) => resolveModelId(deps, text, hive))));
  const removed: HiveRemoved[] = [];
  const failures: Failure[] = [];
  for (const id of ids) {
    try {
      const { results, failure } = await runOperation(deps, { operation: 'model_delete', id }, modelRemovedSchema, {
        hive,
      });
      removed.push(...results);
      if (failure !== null) failures.push(failure);
    } catch (error) {
      deps.signal.throwIfAborted();
      failures.push(await toFailure(error));
    }
  }
  return { removed, failures };
}
