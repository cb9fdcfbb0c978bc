import { type Download, type DownloadId, type Hive, queenRoutes } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { RoutedJobs } from '../jobs/route-job.ts';
import { type WhereIsDeps, whereIs } from '../relay/where-is.ts';

export interface DownloadRoutesDeps extends WhereIsDeps {
  readonly hub: StreamHub;
  readonly queenId: string;
  readonly routed: RoutedJobs;
  readonly hiveNamed: (hiveId: string) => Hive;
}

export function addDownloadRoutes(app: Server, deps: DownloadRoutesDeps): void {
  const { hub, queenId, relay } = deps;
  const relayed = (download: Download) => ({ ...download, orchestrator_id: queenId });
  addRoute(app, queenRoutes.listDownloads, async ({ query }) => {
    const page = pageOf(await listOfFleet(deps, query), query);
    return { ...page, downloads: page.downloads.map(relayed) };
  });
  addRoute(app, queenRoutes.getDownload, async ({ params }) => relayed((await whereIs(deps, params.id)).download));
  addStream(app, hub, queenRoutes.streamDownload, async ({ params }) => {
    const hive = relay.hiveOf(params.id) ?? (await whereIs(deps, params.id)).hive;
    return relay.open(hive, params.id);
  });
  addVerbs(app, deps);
}

/** What is passed on to the hive that has the download. */
function addVerbs(app: Server, deps: DownloadRoutesDeps): void {
  const { client, queenId } = deps;
  const at = async (id: DownloadId) => (await whereIs(deps, id)).hive;
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
  addRoute(app, queenRoutes.retryDownload, async ({ params: { id } }) => {
    const { hive, download } = await whereIs(deps, id);
    return deps.routed.retry(deps.hiveNamed(hive.hive_id), download);
  });
  addRoute(app, queenRoutes.removeDownload, async ({ params: { id } }) => client.removeDownload(await at(id), id));
  addRoute(app, queenRoutes.clearDownloads, async ({ query }) => {
    const asked = {
      ...(query.status === undefined ? {} : { status: query.status }),
      ...(query.older_than === undefined ? {} : { older_than: `${query.older_than}ms` }),
    };
    const online = deps.hives().filter((hive) => hive.online);
    const answers = await Promise.all(online.map((hive) => client.clearDownloads(hive, asked)));
    return { removed: answers.reduce((sum, { removed }) => sum + removed, 0) };
  });
}

/** What the hives that are online answer. A page of the fleet is never longer than the pages of its hives together. */
async function listOfFleet(
  deps: DownloadRoutesDeps,
  query: { status?: string | undefined; limit: number; cursor?: string | undefined },
): Promise<Download[]> {
  const { status, limit, cursor } = query;
  // One more than the page, so that it can be told whether there is another.
  const asked = {
    limit: String(Math.min(limit + 1, 1_000)),
    ...(status === undefined ? {} : { status }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const online = deps.hives().filter((hive) => hive.online);
  const answers = await Promise.allSettled(online.map((hive) => deps.client.listDownloads(hive, asked)));
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}
