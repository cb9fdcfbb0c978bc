import { type Download, queenRoutes } from '@rbee/contract';
import { addRoute, addStream, pageOf, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import { type WhereIsDeps, whereIs } from '../relay/where-is.ts';

export interface DownloadRoutesDeps extends WhereIsDeps {
  readonly hub: StreamHub;
  readonly queenId: string;
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
