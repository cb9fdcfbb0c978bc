import { type QueenInfo, queenRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { Roster } from '../hives/roster.ts';

export interface FleetRoutesDeps {
  readonly roster: Roster;
  readonly info: () => QueenInfo;
}

export function addFleetRoutes(app: Server, { roster, info }: FleetRoutesDeps): void {
  addRoute(app, queenRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, queenRoutes.info, () => info());
  addRoute(app, queenRoutes.listHives, () => ({ hives: roster.list() }));
  addRoute(app, queenRoutes.hiveReady, ({ body }) => roster.register(body));
}
