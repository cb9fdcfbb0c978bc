import { type ModelDetail, modelDetailSchema } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { resolveModelId } from './model-id.ts';
import { type OperationResult, runOperation } from './run-operation.ts';

/** One model with its files, from every hive that has it or from the one named. */
export async function modelGet(
  deps: CommandDeps,
  text: string,
  hive: string | undefined,
): Promise<OperationResult<ModelDetail>> {
  const id = await resolveModelId(deps, text, hive);
  return runOperation(deps, { operation: 'model_get', id }, modelDetailSchema, { hive });
}
