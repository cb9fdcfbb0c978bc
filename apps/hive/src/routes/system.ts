import { type HiveInfo, hiveRoutes } from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { Channel, StreamHub } from '@rbee/event-stream';

export interface SystemRoutesDeps {
  readonly hub: StreamHub;
  readonly info: () => Promise<HiveInfo>;
  readonly heartbeats: Channel;
}

export function addSystemRoutes(app: Server, deps: SystemRoutesDeps): void {
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, hiveRoutes.info, () => deps.info());
  addStream(app, deps.hub, hiveRoutes.heartbeats, () => deps.heartbeats);
}
