import type { Job } from '@rbee/contract';
import type { ListDeps } from './command-deps.ts';

/** The queen's jobs, newest first. */
export function jobList({ client, signal }: ListDeps): Promise<Job[]> {
  return client.jobs(signal);
}
