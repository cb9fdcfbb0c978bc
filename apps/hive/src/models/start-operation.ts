import type { JobAccepted, JobId, ModelRef, Operation } from '@rbee/contract';
import { redactModelRef } from '@rbee/contract';
import type { Job, JobRegistry } from '@rbee/jobs';
import type { Models } from './models.ts';

/** An operation on the store; checks that need no network are done. */
export type ModelOperation =
  | { readonly operation: 'model_plan'; readonly ref: ModelRef }
  | Exclude<Operation, { operation: 'model_download' | 'model_plan' }>;

export interface StartOperationDeps {
  readonly registry: JobRegistry;
  readonly models: Models;
  readonly hiveId: string;
}

/**
 * Creates a job for an operation and starts it; the result goes to the job's stream. The same request under a known id
 * returns the existing job: a queen that lost a response sends the request again.
 */
export function startOperation(deps: StartOperationDeps, request: ModelOperation, id?: JobId): JobAccepted {
  const { registry, models, hiveId } = deps;
  const { operation } = request;
  const model = subjectOf(request);
  const known = id === undefined ? undefined : registry.find(id);
  if (known?.request.operation === operation && known.request.model === model) return accepted(known);
  const job = registry.create({ operation, model }, id);
  registry.run(job, async () => {
    const result = await perform(models, request, job.signal);
    job.data({ action: operation, payload: { hive_id: hiveId, ...result } });
  });
  return accepted(job);
}

function perform(models: Models, request: ModelOperation, signal: AbortSignal): Promise<object> {
  switch (request.operation) {
    case 'model_plan':
      return models.plan(request.ref, signal);
    case 'model_list':
      return models.list();
    case 'model_get':
      return models.get(request.id, signal);
    case 'model_delete':
      return request.dry_run ? models.weighRemoval(request.id, request.after ?? []) : models.remove(request.id);
    case 'model_verify':
      return models.verify(request.id ?? null, signal);
    case 'model_prune':
      return models.prune(pruneRequestOf(request), signal);
  }
}

function pruneRequestOf(request: Extract<Operation, { operation: 'model_prune' }>) {
  const { dry_run: dryRun = false, partials: isOnlyPartials = false, min_age_secs: secs, paths } = request;
  return {
    dryRun,
    isOnlyPartials,
    ...(secs === undefined ? {} : { minAgeMs: secs * 1_000 }),
    ...(paths === undefined ? {} : { paths }),
  };
}

function subjectOf(request: ModelOperation): string | null {
  if (request.operation === 'model_plan') return redactModelRef(request.ref);
  return 'id' in request ? (request.id ?? null) : null;
}

function accepted(job: Job): JobAccepted {
  return { job_id: job.id, sse_url: job.snapshot().sse_url };
}
