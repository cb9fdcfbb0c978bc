import { type Hive, type ModelDetail, type ModelId, RbeeError, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { allOnline, type Fleet } from '../placement/choice.ts';

export interface HoldersDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'getModel'>;
}

/** A hive that holds a model, and what it says of it. */
export interface Holder {
  readonly hive: Hive;
  readonly detail: ModelDetail;
}

/**
 * Asks every hive that is online for a model; the answer has at least one.
 * @throws RbeeError MODEL_NOT_FOUND where none has it, HIVE_UNAVAILABLE where none is online
 */
export async function holdersOf({ fleet, client }: HoldersDeps, id: ModelId): Promise<readonly [Holder, ...Holder[]]> {
  const answers = await Promise.all(
    allOnline(fleet).map(async (hive) => {
      try {
        return { hive, detail: await client.getModel(hive, id) };
      } catch (error) {
        return { hive, error: toRbeeError(error) };
      }
    }),
  );
  const [first, ...others] = answers.flatMap((answer) => (answer.detail === undefined ? [] : [answer]));
  if (first) return [first, ...others];
  const silent = answers.filter(({ error }) => error !== undefined && error.code !== 'MODEL_NOT_FOUND');
  throw new RbeeError('MODEL_NOT_FOUND', `no hive that is online has a model ${id}`, {
    hint:
      silent.length === 0
        ? 'list them with "model list"'
        : `these could not be asked: ${silent.map(({ hive }) => hive.hive_id).join(', ')}`,
  });
}

/**
 * The one hive that holds a model. What is done to it at several must be asked for by their names.
 * @throws RbeeError REQUEST_INVALID where several hold it, naming them; as `holdersOf`
 */
export async function onlyHolderOf(deps: HoldersDeps, id: ModelId): Promise<Hive> {
  const holders = await holdersOf(deps, id);
  if (holders.length === 1) return holders[0].hive;
  const names = holders.map(({ hive }) => hive.hive_id).join(', ');
  throw new RbeeError('REQUEST_INVALID', `several hives hold the model ${id}: ${names}`, {
    hint: 'name one with hive_id',
  });
}
