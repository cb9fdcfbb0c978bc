import { type Hive, type QueenOperation, wantedModel } from '@rbee/contract';
import { type HoldersDeps, holdersOf, onlyHolderOf } from '../models/holders.ts';
import { allOnline, type Choice, namedHives } from '../placement/choice.ts';
import { type PlacementDeps, placeModel } from '../placement/place-model.ts';

export type ChooseDeps = PlacementDeps & HoldersDeps;

/**
 * The hives for an operation: the ones that it names, else the ones that it concerns.
 * @throws RbeeError HIVE_NOT_FOUND, HIVE_UNAVAILABLE, DISK_FULL, MODEL_NOT_FOUND, REQUEST_INVALID
 */
export async function chooseHives(deps: ChooseDeps, body: QueenOperation): Promise<Choice> {
  if (body.hive_id !== undefined) return namedHives(deps.fleet, body.hive_id);
  switch (body.operation) {
    case 'model_download':
    case 'model_plan':
      return placeModel(deps, wantedModel(body));
    case 'model_get':
      return oneOf((await holdersOf(deps, body.id)).map(({ hive }) => hive));
    case 'model_delete':
      return {
        hives: [await onlyHolderOf(deps, body.id)],
        reason: 'holds_model',
        why: 'the only hive with the model',
      };
    case 'model_verify':
      if (body.id === undefined) break;
      return {
        hives: (await holdersOf(deps, body.id)).map(({ hive }) => hive),
        reason: 'holds_model',
        why: 'has the model',
      };
    case 'model_list':
    case 'model_prune':
      break;
  }
  return { hives: allOnline(deps.fleet), reason: 'every', why: 'on every hive' };
}

function oneOf(holders: readonly Hive[]): Choice {
  return { hives: holders.slice(0, 1), others: holders.slice(1), reason: 'holds_model', why: 'has the model' };
}
