import { hiveRoutes, type Scheme, wantedModel } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import { type DescribeDeps, describeRepo } from '../models/repo/describe-repo.ts';
import { foundModels } from '../models/repo/found-models.ts';
import { soonAgain } from '../models/repo/soon-again.ts';
import { inTime } from '../sources/http/in-time.ts';
import type { HuggingFace } from '../sources/hugging-face/hugging-face.ts';
import { allowedRef } from '../sources/source.ts';

/** Someone looks at a screen meanwhile. */
const MAX_LOOK_UP_MS = 20_000;

export interface RepoRoutesDeps extends DescribeDeps {
  readonly hub: Pick<HuggingFace, 'list' | 'search'>;
  /** Read per request: it can change at run time. */
  readonly allowedSources: () => ReadonlySet<Scheme>;
  /** The hub's URL: an address of a page there is read as the ref it means. */
  readonly hubUrl: string;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
}

/** What can be downloaded, before it is. */
export function addRepoRoutes(app: Server, deps: RepoRoutesDeps): void {
  const { hiveId, hub, hubUrl, signal } = deps;
  addRoute(app, hiveRoutes.getRepo, ({ query }) => {
    const ref = allowedRef(wantedModel({ model: query.ref }, hubUrl).ref, deps.allowedSources());
    return inTime(MAX_LOOK_UP_MS, signal, 'the source', (limit) => describeRepo(deps, ref, limit));
  });
  addRoute(app, hiveRoutes.search, async ({ query: { q, limit: count } }) => {
    const { host } = new URL(hubUrl);
    const search = (limit: AbortSignal) => soonAgain(() => hub.search(q, count, limit), limit);
    const rows = await inTime(MAX_LOOK_UP_MS, signal, host, search);
    return { hive_id: hiveId, models: foundModels(rows) };
  });
}
