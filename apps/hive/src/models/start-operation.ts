import type { JobAccepted, JobId, ModelRef, Operation } from '@rbee/contract';
import { redactModelRef } from '@rbee/contract';
import type { Job, JobRegistry } from '@rbee/jobs';
import type { Models } from './models.ts';

/** An operation on the store, checked as far as that needs no network. */
export type ModelOperation =
  | { readonly operation: 'model_plan'; readonly ref: ModelRef }
  | Exclude<Operation, { operation: 'model_download' | 'model_plan' }>;

export interface StartOperationDeps {
  readonly registry: JobRegistry;
  readonly models: Models;
  readonly hiveId: string;
}

/**
 * Makes a job for an operation, and starts it; its result goes onto the job's stream. The same request under a known id
 * is answered with the job that is there: a queen that lost an answer asks again.
 */
export function startOperation(deps: StartOperationDeps, asked: ModelOperation, id?: JobId): JobAccepted {
  const { registry, models, hiveId } = deps;
  const { operation } = asked;
  const request = { operation, model: subjectOf(asked) };
  const known = id === undefined ? undefined : registry.find(id);
  if (known?.request.operation === operation && known.request.model === request.model) return accepted(known);
  const job = registry.create(request, id);
  registry.run(job, async () => {
    const result = await perform(models, asked, job.signal);
    job.data({ action: operation, payload: { hive_id: hiveId, ...result } });
  });
  return accepted(job);
}

function perform(models: Models, asked: ModelOperation, signal: AbortSignal): Promise<object> {
  switch (asked.operation) {
    case 'model_plan':
      return models.plan(asked.ref, signal);
    case 'model_list':
      return models.list();
    case 'model_get':
      return models.get(asked.id, signal);
    case 'model_delete':
      return models.remove(asked.id);
    case 'model_verify':
      return models.verify(asked.id ?? null, signal);
    case 'model_prune':
      return models.prune(asked.dry_run ?? false, signal);
  }
}

function subjectOf(asked: ModelOperation): string | null {
  if (asked.operation === 'model_plan') return redactModelRef(asked.ref);
  return 'id' in asked ? (asked.id ?? null) : null;
}

function accepted(job: Job): JobAccepted {
  return { job_id: job.id, sse_url: job.snapshot().sse_url };
}
