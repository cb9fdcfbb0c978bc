import {
  hiveRoutes,
  type JobAccepted,
  type JobId,
  type ModelRef,
  type Operation,
  parseModelRef,
  printModelRef,
  RbeeError,
  type Scheme,
} from '@rbee/contract';
import { addRoute, addStream, type Server } from '@rbee/daemon';
import type { StreamHub } from '@rbee/event-stream';
import type { Job, JobRegistry } from '@rbee/jobs';
import type { Downloads } from '../downloads/downloads.ts';
import type { Store } from '../store/store.ts';

export interface JobRoutesDeps {
  readonly hub: StreamHub;
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
  readonly store: Store;
  readonly hiveId: string;
  readonly allowedSources: ReadonlySet<Scheme>;
}

export function addJobRoutes(app: Server, deps: JobRoutesDeps): void {
  const { registry, downloads } = deps;
  addRoute(app, hiveRoutes.createJob, ({ body }) => startJob(deps, body));
  addRoute(app, hiveRoutes.listJobs, () => ({ jobs: registry.list() }));
  addRoute(app, hiveRoutes.getJob, ({ params }) => registry.get(params.id).snapshot());
  addStream(app, deps.hub, hiveRoutes.streamJob, ({ params }) => registry.get(params.id).channel);
  addRoute(app, hiveRoutes.cancelJob, async ({ params, query }) => {
    const endedBefore = registry.get(params.id).ended;
    const job = await registry.cancel(params.id, query.partial);
    return { job_id: job.id, status: job.state, downloads: downloads.receipts(job, !endedBefore) };
  });
}

/** Starts what is asked for. Only what needs no network is refused here; all else ends the job. */
function startJob(deps: JobRoutesDeps, body: Operation): JobAccepted {
  const { registry, downloads, store, hiveId } = deps;
  switch (body.operation) {
    case 'model_download': {
      const ref = allowed(parseModelRef(body.model), deps.allowedSources);
      const request = { operation: body.operation, model: printModelRef(ref) };
      const known = sameJob(registry, body.job_id, request);
      if (known) return accepted(known);
      const job = registry.create(request, body.job_id);
      const download = downloads.join(job, { ref, sha256: body.sha256?.toLowerCase() ?? null });
      const download_sse_url = `/v2/downloads/${download.id}/stream`;
      job.downloads.push({ hive_id: hiveId, download_id: download.id, download_sse_url });
      registry.run(job, () => download.wait(job));
      return accepted(job);
    }
    case 'model_list': {
      const request = { operation: body.operation, model: null };
      const known = sameJob(registry, body.job_id, request);
      if (known) return accepted(known);
      const job = registry.create(request, body.job_id);
      registry.run(job, async () => {
        job.data({ action: 'model_list', payload: { hive_id: hiveId, models: await store.list() } });
      });
      return accepted(job);
    }
  }
}

function allowed(ref: ModelRef, sources: ReadonlySet<Scheme>): ModelRef {
  if (sources.has(ref.scheme)) return ref;
  throw new RbeeError('SOURCE_NOT_ALLOWED', `this hive does not fetch ${ref.scheme}: refs`, {
    hint: `it fetches ${[...sources].join(', ')}; its operator sets RBEE_HIVE_ALLOWED_SOURCES`,
  });
}

/** The job of that id, when the same request came before: a queen that lost an answer asks again. */
function sameJob(registry: JobRegistry, id: JobId | undefined, request: Job['request']): Job | undefined {
  const job = id === undefined ? undefined : registry.find(id);
  return job?.request.operation === request.operation && job.request.model === request.model ? job : undefined;
}

function accepted(job: Job): JobAccepted {
  const [download] = job.downloads;
  return {
    job_id: job.id,
    sse_url: job.snapshot().sse_url,
    ...(download === undefined
      ? {}
      : { download_id: download.download_id, download_sse_url: download.download_sse_url }),
  };
}
