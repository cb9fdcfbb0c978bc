import { type ModelPlan, modelPlanSchema } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { type OperationResult, runOperation } from './run-operation.ts';

/** What a download of a ref would do on the hive named, or on the one that the queen would choose. */
export function modelPlan(
  deps: CommandDeps,
  model: string,
  hive: string | undefined,
): Promise<OperationResult<ModelPlan>> {
  return runOperation(deps, { operation: 'model_plan', model }, modelPlanSchema, { hive });
}
