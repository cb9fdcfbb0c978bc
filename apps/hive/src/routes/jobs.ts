import {
  hiveRoutes,
  type JobAccepted,
  type JobId,
  type Operation,
  redactModelRef,
  type Scheme,
  wantedModel,
} from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { Job, JobRegistry } from '@rbee/jobs';
import { startDownload, toAccepted } from '../downloads/download-jobs.ts';
import type { Downloads } from '../downloads/downloads.ts';
import type { History } from '../history/history.ts';
import type { Models } from '../models/models.ts';
import { startOperation } from '../models/start-operation.ts';
import { allowedRef } from '../sources/source.ts';

export interface JobRoutesDeps {
  readonly history: Pick<History, 'atomically'>;
  readonly hub: StreamHub;
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
  readonly models: Models;
  readonly hiveId: string;
  /** Read per request: it can change at run time. */
  readonly allowedSources: () => ReadonlySet<Scheme>;
  /** The hub's URL: an address of a page there is read as the ref it means. */
  readonly hubUrl: string;
}

export function addJobRoutes(app: Server, deps: JobRoutesDeps): void {
  const { hub, registry, downloads } = deps;
  addRoute(app, hiveRoutes.createJob, ({ body }) => startJob(deps, body));
  addRoute(app, hiveRoutes.listJobs, () => ({ jobs: registry.list() }));
  addRoute(app, hiveRoutes.getJob, ({ params }) => registry.get(params.id).snapshot());
  addStream(app, hub, hiveRoutes.streamJob, ({ params }) => registry.get(params.id).channel);
  addRoute(app, hiveRoutes.cancelJob, async ({ params, query }) => {
    const endedBefore = registry.get(params.id).ended;
    const job = await registry.cancel(params.id, query.partial);
    return { job_id: job.id, status: job.state, downloads: downloads.receipts(job, !endedBefore) };
  });
}

/** Starts a job. Only problems that need no network to find are refused here; all others end the job. */
async function startJob(deps: JobRoutesDeps, body: Operation): Promise<JobAccepted> {
  switch (body.operation) {
    case 'model_download': {
      const { ref, sha256 } = wantedModel(body, deps.hubUrl);
      allowedRef(ref, deps.allowedSources());
      const { priority = 0, max_bandwidth: maxBandwidth = null } = body;
      const known = sameJob(deps.registry, body.job_id, { operation: body.operation, model: redactModelRef(ref) });
      if (known && deps.downloads.sha256Wanted(known) === sha256) return toAccepted(known);
      const request = { ref, sha256, priority, maxBandwidth, retryOf: null };
      return startDownload(deps, request, body.job_id);
    }
    case 'model_plan': {
      const ref = allowedRef(wantedModel(body, deps.hubUrl).ref, deps.allowedSources());
      return startOperation(deps, { operation: body.operation, ref }, body.job_id);
    }
    default:
      return startOperation(deps, body, body.job_id);
  }
}

/** The job of that id, if the request is the same: a queen that lost the response sends it again. */
function sameJob(registry: JobRegistry, id: JobId | undefined, request: Job['request']): Job | undefined {
  const job = id === undefined ? undefined : registry.find(id);
  return job?.request.operation === request.operation && job.request.model === request.model ? job : undefined;
}
