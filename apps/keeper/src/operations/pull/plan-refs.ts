import { type ModelPlan, modelPlanSchema, printModelRef, type WantedModel } from '@rbee/contract';
import { type Failure, toFailure } from '../../errors/failure.ts';
import type { HivePlan } from '../../results.ts';
import type { CommandDeps } from '../command-deps.ts';
import { runOperation } from '../run-operation.ts';

/** What downloads would do, one after the other, on each of the hives; nothing is downloaded. */
export async function planRefs(
  deps: CommandDeps,
  wanted: readonly WantedModel[],
  hives: readonly (string | undefined)[],
  show: { plan(plan: HivePlan): void; failure(failure: Failure): void },
): Promise<number[]> {
  const codes: number[] = [];
  for (const { ref } of wanted) {
    const operation = { operation: 'model_plan', model: printModelRef(ref) } as const;
    for (const hive of hives) {
      try {
        const { results, failure } = await runOperation<ModelPlan>(deps, operation, modelPlanSchema, { hive });
        for (const plan of results) show.plan(plan);
        if (failure === null) continue;
        show.failure(failure);
        codes.push(failure.exitCode);
      } catch (error) {
        deps.signal.throwIfAborted();
        const failure = await toFailure(error);
        show.failure(failure);
        codes.push(failure.exitCode);
      }
    }
  }
  return codes;
}
