import { modelRemovedSchema } from '@rbee/contract';
import { resolveModelId } from '../daemon-client/resolve-model.ts';
import { type Failure, toFailure } from '../errors/failure.ts';
import type { HiveRemoved } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import { runOperation } from './run-operation.ts';

export interface Removal {
  readonly removed: readonly HiveRemoved[];
  /** Why some models were not removed. */
  readonly failures: readonly Failure[];
}

/** Removes models one by one. All ids are resolved first; a model that cannot be removed does not stop the rest. */
export async function modelRemove(
  deps: CommandDeps,
  texts: readonly string[],
  hive: string | undefined,
): Promise<Removal> {
  const ids = new Set(await Promise.all(texts.map((text) => resolveModelId(deps.client, text, hive, deps.signal))));
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
