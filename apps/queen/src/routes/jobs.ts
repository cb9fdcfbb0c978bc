import { queenRoutes } from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { JobRegistry } from '@rbee/jobs';
import type { RoutedJobs } from '../jobs/routed-jobs.ts';

export interface JobRoutesDeps {
  readonly streamHub: StreamHub;
  readonly registry: JobRegistry;
  readonly routed: RoutedJobs;
}

export function addJobRoutes(app: Server, deps: JobRoutesDeps): void {
  const { streamHub, registry, routed } = deps;
  addRoute(app, queenRoutes.createJob, ({ body }) => routed.start(body));
  addRoute(app, queenRoutes.listJobs, () => ({ jobs: registry.list() }));
  addRoute(app, queenRoutes.getJob, ({ params }) => registry.get(params.id).snapshot());
  addStream(app, streamHub, queenRoutes.streamJob, ({ params }) => registry.get(params.id).channel);
  addRoute(app, queenRoutes.cancelJob, ({ params, query }) => routed.cancel(params.id, query.partial));
}
