import { type FleetDoctor, type Hive, queenRoutes, toRbeeError } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { HiveClient } from '../hives/client.ts';
import type { Fleet } from '../placement/choice.ts';

export interface DoctorRoutesDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'doctor'>;
}

/** All hives run their doctor in parallel, also those that seem offline; one that cannot be reached has an error instead. */
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
    // The reason why it cannot be followed says more than one failed request.
    const why = online || problem === null ? message : `the hive ${hive_id} is offline: ${problem}`;
    return { hive_id, online, error: { code, message: why, ...(hint === undefined ? {} : { hint }) } };
  }
}
