import { type Hive, queenRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { HiveClient } from '../hives/client.ts';
import type { RoutedJobs } from '../jobs/routed-jobs.ts';
import { modelsOfFleet } from '../models/fleet-models.ts';
import { holdersOf, onlyHolderOf } from '../models/holders.ts';
import { type Fleet, namedHives } from '../placement/choice.ts';

export interface ModelRoutesDeps {
  readonly fleet: Fleet;
  readonly client: HiveClient;
  readonly routed: RoutedJobs;
}

export function addModelRoutes(app: Server, deps: ModelRoutesDeps): void {
  const { fleet, client, routed } = deps;
  addRoute(app, queenRoutes.listModels, () => modelsOfFleet(fleet, client));
  addRoute(app, queenRoutes.getModel, async ({ params: { id }, query: { hive_id } }) => {
    if (hive_id !== undefined) return { ...(await client.getModel(online(fleet, hive_id), id)), hive_id };
    const [{ hive, detail }] = await holdersOf(deps, id);
    return { ...detail, hive_id: hive.hive_id };
  });
  addRoute(app, queenRoutes.removeModel, async ({ params: { id }, query: { hive_id } }) => {
    const hive = hive_id === undefined ? await onlyHolderOf(deps, id) : online(fleet, hive_id);
    return { ...(await client.removeModel(hive, id)), hive_id: hive.hive_id };
  });
  addRoute(app, queenRoutes.verifyModel, ({ params: { id }, query: { hive_id } }) =>
    routed.start({ operation: 'model_verify', id, ...(hive_id === undefined ? {} : { hive_id }) }),
  );
}

function online(fleet: Fleet, hiveId: string): Hive {
  const [hive] = namedHives(fleet, [hiveId]).hives;
  if (!hive) throw new Error('a name selects one hive');
  return hive;
}
