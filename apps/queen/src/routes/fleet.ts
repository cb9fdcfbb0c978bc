import { type QueenInfo, queenRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { Roster } from '../hives/roster.ts';
import type { FleetLimits } from '../limits/fleet-limits.ts';

export interface FleetRoutesDeps {
  readonly roster: Roster;
  readonly limits: FleetLimits;
  readonly info: () => QueenInfo;
}

export function addFleetRoutes(app: Server, { roster, limits, info }: FleetRoutesDeps): void {
  addRoute(app, queenRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, queenRoutes.info, () => info());
  addRoute(app, queenRoutes.listHives, () => ({ hives: roster.list() }));
  addRoute(app, queenRoutes.hiveReady, ({ body }) => roster.register(body));
  addRoute(app, queenRoutes.patchHive, async ({ params, body }) => {
    await limits.change(roster.get(params.id), body);
    return roster.get(params.id);
  });
  const settings = () => ({ max_bandwidth: limits.budget });
  addRoute(app, queenRoutes.getSettings, settings);
  addRoute(app, queenRoutes.patchSettings, async ({ body }) => {
    if (body.max_bandwidth !== undefined) await limits.setBudget(body.max_bandwidth);
    return settings();
  });
}
