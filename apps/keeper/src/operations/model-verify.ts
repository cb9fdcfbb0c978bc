import { type ModelVerified, modelVerifiedSchema } from '@rbee/contract';
import { resolveModelId } from '../daemon-client/resolve-model.ts';
import { worstOf } from '../errors/exit-codes.ts';
import type { Failure } from '../errors/failure.ts';
import type { VerifiedModel } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import { modelDownload } from './model-download.ts';
import { runOperation } from './run-operation.ts';

export interface Verification {
  readonly models: readonly VerifiedModel[];
  readonly failure: Failure | null;
}

/** Verifies one model or all models, on one hive or on every hive that has them. */
export async function modelVerify(
  deps: CommandDeps,
  text: string | undefined,
  hive: string | undefined,
  onNarration: (text: string) => void,
): Promise<Verification> {
  const id = text === undefined ? undefined : await resolveModelId(deps.client, text, hive, deps.signal);
  const operation = { operation: 'model_verify', ...(id === undefined ? {} : { id }) } as const;
  const { results, failure } = await runOperation<ModelVerified>(deps, operation, modelVerifiedSchema, {
    hive,
    onNarration,
  });
  const models = results.flatMap(({ hive_id, models }) => models.map((model) => ({ hive_id, ...model })));
  return { models, failure };
}

/** Downloads damaged models again, each on its own hive, and follows them to the end. Returns the worst exit code. */
export async function repairModels(deps: CommandDeps, damaged: readonly VerifiedModel[]): Promise<number> {
  const hives = [...new Set(damaged.map((model) => model.hive_id))];
  const codes = hives.map((hive) => {
    const refs = damaged.filter((model) => model.hive_id === hive).map((model) => model.model_ref);
    return modelDownload(deps, { refs: [...new Set(refs)], hives: [hive], sha256: null, detach: false });
  });
  return worstOf(await Promise.all(codes));
}
