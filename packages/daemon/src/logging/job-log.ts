import type { JobId, Job as JobSnapshot } from '@rbee/contract';
import type { Logger } from './logger.ts';

interface LoggedJob {
  readonly id: JobId;
  snapshot(): Pick<JobSnapshot, 'operation' | 'state' | 'error'>;
}

/**
 * Logs each change of a job's state, to be told of every change of a job. A failure is named by its code: its message may
 * hold an address that is nobody's business.
 */
export function createJobLog(log: Pick<Logger, 'info' | 'warn'>): (job: LoggedJob) => void {
  const last = new WeakMap<LoggedJob, string>();
  return (job) => {
    const { operation, state, error } = job.snapshot();
    if (last.get(job) === state) return;
    last.set(job, state);
    const fields = { jobId: job.id, operation, state };
    if (error === null) log.info(fields, 'job');
    else log.warn({ ...fields, code: error.code }, 'job');
  };
}
