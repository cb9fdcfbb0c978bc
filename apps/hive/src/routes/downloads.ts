import { hiveRoutes, type JobAccepted, type Scheme } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { DownloadRequest, Downloads } from '../downloads/downloads.ts';
import { allowedRef } from '../sources/allowed-ref.ts';

export interface DownloadRoutesDeps {
  readonly hub: StreamHub;
  readonly downloads: Downloads;
  /** Makes a job for a request, and starts it. */
  readonly startDownload: (request: DownloadRequest) => JobAccepted;
  /** Those of the moment: they can change while the hive runs. */
  readonly allowedSources: () => ReadonlySet<Scheme>;
}

export function addDownloadRoutes(app: Server, deps: DownloadRoutesDeps): void {
  const { hub, downloads, startDownload, allowedSources } = deps;
  addRoute(app, hiveRoutes.listDownloads, ({ query }) => pageOf(downloads.list(), query));
  addRoute(app, hiveRoutes.getDownload, ({ params }) => downloads.get(params.id));
  addStream(app, hub, hiveRoutes.streamDownload, ({ params }) => downloads.channel(params.id));
  addRoute(app, hiveRoutes.pauseDownload, ({ params }) => downloads.pause(params.id));
  addRoute(app, hiveRoutes.resumeDownload, ({ params }) => downloads.resume(params.id));
  addRoute(app, hiveRoutes.retryDownload, ({ params }) => {
    const request = downloads.requestForRetry(params.id);
    allowedRef(request.ref, allowedSources());
    return startDownload(request);
  });
  addRoute(app, hiveRoutes.patchDownload, ({ params, body }) => downloads.patch(params.id, body));
  addRoute(app, hiveRoutes.removeDownload, ({ params }) => {
    downloads.remove(params.id);
    return { removed: 1 };
  });
  addRoute(app, hiveRoutes.clearDownloads, ({ query }) => ({
    removed: downloads.clear(query.status, query.older_than),
  }));
}
