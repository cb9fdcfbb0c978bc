import type { JobId, Job as JobSnapshot } from '@rbee/contract';
import { withLogFields } from './log-context.ts';
import type { Logger } from './logger.ts';

/** Where a daemon keeps its jobs across restarts. */
export interface JobStore {
  saveJob(job: JobSnapshot): void;
  deleteJob(id: JobId): void;
}

interface HookedJob {
  readonly id: JobId;
  snapshot(): JobSnapshot;
}

/** What a daemon hands to its job registry, so that jobs are stored and logged. */
export interface JobHooks {
  onChange(job: HookedJob): void;
  onForget(id: JobId): void;
  within<T>(job: HookedJob, work: () => T): T;
}

/**
 * Stores every change of a job, logs each change of its state, and gives the lines that its work logs the job's id. A
 * failure is logged by its code: its message may contain an address that does not belong in a log.
 */
export function jobHooks(log: Pick<Logger, 'info' | 'warn'>, store: JobStore): JobHooks {
  const last = new WeakMap<HookedJob, string>();
  return {
    onChange(job) {
      const snapshot = job.snapshot();
      store.saveJob(snapshot);
      const { operation, state, error } = snapshot;
      if (last.get(job) === state) return;
      last.set(job, state);
      const fields = { jobId: job.id, operation, state };
      if (error === null) log.info(fields, 'job');
      else log.warn({ ...fields, code: error.code }, 'job');
    },
    onForget: (id) => store.deleteJob(id),
    within: (job, work) => withLogFields({ jobId: job.id }, work),
  };
}
