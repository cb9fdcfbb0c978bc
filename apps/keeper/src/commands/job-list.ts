import type { Job } from '@rbee/contract';
import type { CommandDeps } from './command.ts';

/** The queen's jobs, newest first. */
export function jobList({ client, signal }: CommandDeps): Promise<Job[]> {
  return client.jobs(signal);
}
