import { type HiveRemoved, type QueenInfo, queenRoutes } from '@rbee/contract';
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
  readonly remove: (hiveId: string) => HiveRemoved;
}

export function addFleetRoutes(app: Server, deps: FleetRoutesDeps): void {
  const { streamHub, roster, limits, heartbeats, info, remove } = deps;
  addStream(app, streamHub, queenRoutes.heartbeats, () => heartbeats);
  addRoute(app, queenRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, queenRoutes.info, () => info());
  addRoute(app, queenRoutes.listHives, () => ({ hives: roster.list() }));
  addRoute(app, queenRoutes.hiveReady, ({ body }) => roster.register(body));
  addRoute(app, queenRoutes.patchHive, async ({ params, body }) => {
    await limits.change(roster.get(params.id), body);
    return roster.get(params.id);
  });
  addRoute(app, queenRoutes.removeHive, ({ params }) => remove(params.id));
  const settings = () => ({ max_bandwidth: limits.budget });
  addRoute(app, queenRoutes.getSettings, settings);
  addRoute(app, queenRoutes.patchSettings, async ({ body }) => {
    if (body.max_bandwidth !== undefined) await limits.setBudget(body.max_bandwidth);
    return settings();
  });
}
