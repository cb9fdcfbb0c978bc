import { type Job, jobSchema } from '@rbee/contract';

const savedJobSchema = jobSchema.refine(
  ({ state, ended_at }) => (state === 'queued' || state === 'running') === (ended_at === null),
  'ended if it has a time of its end',
);

/** The job of a saved row. @throws Error when it is none */
export function readSavedJob(id: string, snapshot: string): Job {
  const job = savedJobSchema.parse(JSON.parse(snapshot));
  if (job.job_id !== id) throw new Error('the snapshot has another id');
  return job;
}
