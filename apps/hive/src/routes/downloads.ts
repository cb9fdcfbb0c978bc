import { hiveRoutes } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { Downloads } from '../downloads/downloads.ts';

export function addDownloadRoutes(app: Server, hub: StreamHub, downloads: Downloads): void {
  addRoute(app, hiveRoutes.listDownloads, ({ query }) => pageOf(downloads.list(), query));
  addRoute(app, hiveRoutes.getDownload, ({ params }) => downloads.get(params.id));
  addStream(app, hub, hiveRoutes.streamDownload, ({ params }) => downloads.channel(params.id));
}
