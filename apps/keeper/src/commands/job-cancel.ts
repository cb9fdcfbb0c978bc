import type { CancelledJob, PartialChoice } from '@rbee/contract';
import { resolveId } from '../daemon-client/resolve-id.ts';
import type { CommandDeps } from './command-deps.ts';

/** Cancels a job (an id, or the beginning of one) and says what became of its downloads. */
export async function jobCancel(deps: CommandDeps, text: string, partial: PartialChoice): Promise<CancelledJob> {
  return deps.client.cancelJob(await resolveJobId(deps, text), partial, deps.signal);
}

export async function resolveJobId({ client, signal }: CommandDeps, text: string): Promise<string> {
  return resolveId('job', text, async () => (await client.jobs(signal)).map((job) => job.job_id));
}
