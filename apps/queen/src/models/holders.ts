import { type Hive, type ModelDetail, type ModelId, RbeeError, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { allOnline, type Fleet } from '../placement/choice.ts';

export interface HoldersDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'getModel'>;
}

/** A hive that holds a model, and the details it has. */
export interface Holder {
  readonly hive: Hive;
  readonly detail: ModelDetail;
}

/**
 * Every online hive that holds a model, at least one.
 * @throws RbeeError MODEL_NOT_FOUND when none has it, HIVE_UNAVAILABLE when none is online
 */
export async function holdersOf({ fleet, client }: HoldersDeps, id: ModelId): Promise<readonly [Holder, ...Holder[]]> {
  const responses = await Promise.all(
    allOnline(fleet).map(async (hive) => {
      try {
        return { hive, detail: await client.getModel(hive, id) };
      } catch (error) {
        return { hive, error: toRbeeError(error) };
      }
    }),
  );
  const [first, ...others] = responses.flatMap((response) => (response.detail === undefined ? [] : [response]));
  if (first) return [first, ...others];
  const failed = responses.filter(({ error }) => error !== undefined && error.code !== 'MODEL_NOT_FOUND');
  throw new RbeeError('MODEL_NOT_FOUND', `no online hive has the model ${id}`, {
    hint:
      failed.length === 0
        ? 'list them with "model list"'
        : `these hives could not be reached: ${failed.map(({ hive }) => hive.hive_id).join(', ')}`,
  });
}

/**
 * The one hive that holds a model, for requests that must name the hive when there are several.
 * @throws RbeeError REQUEST_INVALID, naming them, when several hold it; as `holdersOf`
 */
export async function onlyHolderOf(deps: HoldersDeps, id: ModelId): Promise<Hive> {
  const holders = await holdersOf(deps, id);
  if (holders.length === 1) return holders[0].hive;
  const names = holders.map(({ hive }) => hive.hive_id).join(', ');
  throw new RbeeError('REQUEST_INVALID', `several hives hold the model ${id}: ${names}`, {
    hint: 'choose one, as with --hive of rbee-keeper',
  });
}
