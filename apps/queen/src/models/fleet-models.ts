import { type FleetModelList, newestFirst, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import type { Fleet } from '../placement/choice.ts';

/** The stores of all online hives as one. A hive that does not respond is listed as a problem. */
export async function modelsOfFleet(fleet: Fleet, client: Pick<HiveClient, 'listModels'>): Promise<FleetModelList> {
  const online = fleet.list().filter((hive) => hive.online);
  const lists = await Promise.all(
    online.map(async (hive): Promise<FleetModelList> => {
      const { hive_id } = hive;
      const ofHive = <T>(entries: readonly T[]) => entries.map((entry) => ({ ...entry, hive_id }));
      try {
        const { models, partials, problems } = await client.listModels(hive);
        return { models: ofHive(models), partials: ofHive(partials), problems: ofHive(problems) };
      } catch (error) {
        return { models: [], partials: [], problems: [{ hive_id, path: null, message: toRbeeError(error).message }] };
      }
    }),
  );
  return {
    models: lists.flatMap(({ models }) => models).sort(newestFirst),
    partials: lists.flatMap(({ partials }) => partials).sort(newestFirst),
    problems: lists.flatMap(({ problems }) => problems),
  };
}
