import { type ModelsPruned, modelsPrunedSchema } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { type OperationResult, runOperation } from './run-operation.ts';

/** Removes what no model needs from the store of one hive or of all that are online; a dry run only says what would go. */
export function modelPrune(
  deps: CommandDeps,
  dryRun: boolean,
  hive: string | undefined,
): Promise<OperationResult<ModelsPruned>> {
  return runOperation(deps, { operation: 'model_prune', dry_run: dryRun }, modelsPrunedSchema, { hive });
}
