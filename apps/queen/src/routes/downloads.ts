import { type Download, type DownloadId, type Hive, type HiveProblem, queenRoutes, toRbeeError } from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { StreamHub, Subscribable } from '@rbee/event-stream';
import { type CancelDownloadDeps, cancelDownload } from '../jobs/cancel-download.ts';
import type { RoutedJobs } from '../jobs/routed-jobs.ts';
import { type FindDownloadDeps, findDownload, hiveOfDownload } from '../relay/find-download.ts';
import { listDownloads } from '../relay/list-downloads.ts';

export interface DownloadRoutesDeps extends FindDownloadDeps, Pick<CancelDownloadDeps, 'undeliveredCancels'> {
  readonly streamHub: StreamHub;
  readonly queenId: string;
  readonly routed: RoutedJobs;
  readonly hiveNamed: (hiveId: string) => Hive;
  /** The downloads of the whole fleet in one stream. */
  readonly fleetStream: Subscribable;
}

export function addDownloadRoutes(app: Server, deps: DownloadRoutesDeps): void {
  const { streamHub, queenId, relay } = deps;
  const relayed = (download: Download) => ({ ...download, orchestrator_id: queenId });
  addRoute(app, queenRoutes.listDownloads, ({ query }) => listDownloads(deps, query));
  addRoute(app, queenRoutes.getDownload, async ({ params }) => relayed((await findDownload(deps, params.id)).download));
  addStream(app, streamHub, queenRoutes.streamDownload, async ({ params }) => {
    const hive = await hiveOfDownload(deps, params.id);
    return relay.open(hive.hive_id, params.id);
  });
  addStream(app, streamHub, queenRoutes.streamDownloads, () => deps.fleetStream);
  addVerbs(app, deps);
}

/** Requests that are forwarded to the hive of the download. */
function addVerbs(app: Server, deps: DownloadRoutesDeps): void {
  const { client, queenId } = deps;
  const at = (id: DownloadId) => hiveOfDownload(deps, id);
  const relayed = (download: Download) => ({ ...download, orchestrator_id: queenId });
  addRoute(app, queenRoutes.pauseDownload, async ({ params: { id } }) =>
    relayed(await client.pauseDownload(await at(id), id)),
  );
  addRoute(app, queenRoutes.resumeDownload, async ({ params: { id } }) =>
    relayed(await client.resumeDownload(await at(id), id)),
  );
  addRoute(app, queenRoutes.patchDownload, async ({ params: { id }, body }) =>
    relayed(await client.patchDownload(await at(id), id, body)),
  );
  addRoute(app, queenRoutes.cancelDownload, async ({ params: { id }, query }) => {
    const { hive_id } = await at(id);
    const fleet = { list: deps.hives, get: deps.hiveNamed };
    return cancelDownload({ ...deps, fleet }, hive_id, id, query.partial);
  });
  addRoute(app, queenRoutes.retryDownload, async ({ params: { id } }) => {
    const { hive, download } = await findDownload(deps, id);
    return deps.routed.retry(deps.hiveNamed(hive.hive_id), download);
  });
  addRoute(app, queenRoutes.removeDownload, async ({ params: { id } }) => client.removeDownload(await at(id), id));
  addRoute(app, queenRoutes.clearDownloads, ({ query }) => clearFleet(deps, query));
}

/** Clears the history of every online hive; a hive that fails is listed, and does not stop the others. */
async function clearFleet(
  { client, hives }: DownloadRoutesDeps,
  query: { status?: string | undefined; older_than?: number | undefined },
): Promise<{ removed: number; problems: HiveProblem[] }> {
  const forwarded = {
    ...(query.status === undefined ? {} : { status: query.status }),
    ...(query.older_than === undefined ? {} : { older_than: `${query.older_than}ms` }),
  };
  const problems: HiveProblem[] = [];
  const clear = async (hive: Hive) => {
    try {
      return (await client.clearDownloads(hive, forwarded)).removed;
    } catch (error) {
      const { code, message } = toRbeeError(error);
      problems.push({ hive_id: hive.hive_id, code, message });
      return 0;
    }
  };
  const removed = await Promise.all(
    hives()
      .filter(({ online }) => online)
      .map(clear),
  );
  return { removed: removed.reduce((sum, each) => sum + each, 0), problems };
}
