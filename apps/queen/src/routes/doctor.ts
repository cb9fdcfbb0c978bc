import { type FleetDoctor, type Hive, queenRoutes, toRbeeError } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { HiveClient } from '../hives/client.ts';
import type { Fleet } from '../placement/choice.ts';

export interface DoctorRoutesDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'doctor'>;
}

/** All hives examine themselves at once. One that cannot be asked is told with why, also where it seems to be offline. */
export function addDoctorRoutes(app: Server, { fleet, client }: DoctorRoutesDeps): void {
  addRoute(app, queenRoutes.doctor, async ({ query: { hive_id } }) => {
    const hives = hive_id === undefined ? fleet.list() : [fleet.get(hive_id)];
    return { hives: await Promise.all(hives.map((hive) => examine(client, hive))) };
  });
}

async function examine(client: DoctorRoutesDeps['client'], hive: Hive): Promise<FleetDoctor['hives'][number]> {
  const { hive_id, online, problem } = hive;
  try {
    const found = await client.doctor(hive);
    if (found.hive_id === hive_id) return { hive_id, online, checks: found.checks };
    const error = {
      code: 'HIVE_UNAVAILABLE' as const,
      message: `the hive at ${hive.hive_url} calls itself ${found.hive_id}`,
    };
    return { hive_id, online, error };
  } catch (error) {
    const { code, message, hint } = toRbeeError(error);
    // What the queen hears when she follows it says more than that one request went wrong.
    const why = online || problem === null ? message : `the hive ${hive_id} is offline: ${problem}`;
    return { hive_id, online, error: { code, message: why, ...(hint === undefined ? {} : { hint }) } };
  }
}
