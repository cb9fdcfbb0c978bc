import { type ModelId, modelIdSchema } from '@rbee/contract';
import { resolveModel } from '../daemon-client/resolve-model.ts';
import type { CommandDeps } from './command-deps.ts';

/** The full id of a model, from an id, the beginning of one or a ref; of one hive's models where a hive is named. */
export async function resolveModelId(deps: CommandDeps, text: string, hive: string | undefined): Promise<ModelId> {
  const id = await resolveModel(text, async () => {
    const { models } = await deps.client.models(deps.signal);
    return models.filter((model) => hive === undefined || model.hive_id === hive);
  });
  return modelIdSchema.parse(id);
}
