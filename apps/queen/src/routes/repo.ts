import { queenRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { HiveClient } from '../hives/client.ts';
import { askAny } from '../models/ask-any.ts';
import { repoOfFleet } from '../models/fleet-repo.ts';
import { allOnline, type Fleet, namedHives } from '../placement/choice.ts';

export interface RepoRoutesDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'repo' | 'search' | 'listModels'>;
}

/** What can be downloaded, as a hive finds it: with its hub, its proxy and its token. */
export function addRepoRoutes(app: Server, { fleet, client }: RepoRoutesDeps): void {
  addRoute(app, queenRoutes.getRepo, ({ query: { ref, hive_id } }) => {
    const hives = hive_id === undefined ? allOnline(fleet) : namedHives(fleet, hive_id).hives;
    return repoOfFleet({ client }, hives, ref);
  });
  addRoute(app, queenRoutes.search, ({ query: { q, limit } }) =>
    askAny(allOnline(fleet), (hive, timeoutMs) => client.search(hive, { q, limit: String(limit) }, timeoutMs)),
  );
}
