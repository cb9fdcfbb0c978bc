import { type QueenInfo, queenRoutes } from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { StreamHub, Subscribable } from '@rbee/event-stream';
import type { Roster } from '../hives/roster.ts';
import type { FleetLimits } from '../limits/fleet-limits.ts';

export interface FleetRoutesDeps {
  readonly streamHub: StreamHub;
  readonly roster: Roster;
  readonly limits: FleetLimits;
  /** The heartbeats of all hives in one stream. */
  readonly heartbeats: Subscribable;
  readonly info: () => QueenInfo;
}

export function addFleetRoutes(app: Server, { streamHub, roster, limits, heartbeats, info }: FleetRoutesDeps): void {
  addStream(app, streamHub, queenRoutes.heartbeats, () => heartbeats);
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
