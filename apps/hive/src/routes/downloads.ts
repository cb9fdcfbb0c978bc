import { hiveRoutes, type Scheme } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { JobRegistry } from '@rbee/jobs';
import { cancelDownload } from '../downloads/cancel-download.ts';
import { startDownload } from '../downloads/download-jobs.ts';
import type { Downloads } from '../downloads/downloads.ts';
import type { History } from '../history/history.ts';
import { allowedRef } from '../sources/source.ts';

export interface DownloadRoutesDeps {
  readonly history: Pick<History, 'atomically'>;
  readonly hub: StreamHub;
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
  readonly hiveId: string;
  /** Read per request: it can change at run time. */
  readonly allowedSources: () => ReadonlySet<Scheme>;
}

export function addDownloadRoutes(app: Server, deps: DownloadRoutesDeps): void {
  const { hub, downloads, allowedSources } = deps;
  addStream(app, hub, hiveRoutes.streamDownloads, () => downloads.stream);
  addRoute(app, hiveRoutes.listDownloads, ({ query }) => pageOf(downloads.list(), query));
  addRoute(app, hiveRoutes.getDownload, ({ params }) => downloads.get(params.id));
  addStream(app, hub, hiveRoutes.streamDownload, ({ params }) => downloads.channel(params.id));
  addRoute(app, hiveRoutes.pauseDownload, ({ params }) => downloads.pause(params.id));
  addRoute(app, hiveRoutes.resumeDownload, ({ params }) => downloads.resume(params.id));
  addRoute(app, hiveRoutes.cancelDownload, ({ params, query }) => cancelDownload(deps, params.id, query.partial));
  addRoute(app, hiveRoutes.retryDownload, ({ params }) => {
    const request = downloads.requestForRetry(params.id);
    allowedRef(request.ref, allowedSources());
    return startDownload(deps, request);
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
