import { type Download, type DownloadId, type Hive, type HiveProblem, queenRoutes, toRbeeError } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub, Subscribable } from '@rbee/event-stream';
import type { RoutedJobs } from '../jobs/routed-jobs.ts';
import { type FindDownloadDeps, findDownload, knownHiveOf } from '../relay/find-download.ts';

export interface DownloadRoutesDeps extends FindDownloadDeps {
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
  addRoute(app, queenRoutes.listDownloads, async ({ query }) => {
    const page = pageOf(await listOfFleet(deps, query), query);
    return { ...page, downloads: page.downloads.map(relayed) };
  });
  addRoute(app, queenRoutes.getDownload, async ({ params }) => relayed((await findDownload(deps, params.id)).download));
  addStream(app, streamHub, queenRoutes.streamDownload, async ({ params }) => {
    const hive = knownHiveOf(deps, params.id) ?? (await findDownload(deps, params.id)).hive;
    return relay.open(hive.hive_id, params.id);
  });
  addStream(app, streamHub, queenRoutes.streamDownloads, () => deps.fleetStream);
  addVerbs(app, deps);
}

/** Requests that are forwarded to the hive of the download. */
function addVerbs(app: Server, deps: DownloadRoutesDeps): void {
  const { client, queenId } = deps;
  const at = async (id: DownloadId) => (await findDownload(deps, id)).hive;
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
  addRoute(app, queenRoutes.cancelDownload, async ({ params: { id }, query }) =>
    client.cancelDownload(await at(id), id, query.partial),
  );
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
  const total = { removed: 0, problems: [] as HiveProblem[] };
  const clear = async (hive: Hive) => {
    try {
      total.removed += (await client.clearDownloads(hive, forwarded)).removed;
    } catch (error) {
      const { code, message } = toRbeeError(error);
      total.problems.push({ hive_id: hive.hive_id, code, message });
    }
  };
  await Promise.all(
    hives()
      .filter(({ online }) => online)
      .map(clear),
  );
  return total;
}

/** The downloads of all online hives. A page of the fleet never needs more than one page of each hive. */
async function listOfFleet(
  deps: DownloadRoutesDeps,
  query: { status?: string | undefined; limit: number; cursor?: string | undefined },
): Promise<Download[]> {
  const { status, limit, cursor } = query;
  // One more than the page, to know whether there is another.
  const forwarded = {
    limit: String(Math.min(limit + 1, 1_000)),
    ...(status === undefined ? {} : { status }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const online = deps.hives().filter((hive) => hive.online);
  const responses = await Promise.allSettled(online.map((hive) => deps.client.listDownloads(hive, forwarded)));
  return responses.flatMap((response) => (response.status === 'fulfilled' ? response.value : []));
}
