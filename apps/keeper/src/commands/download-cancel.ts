import type { CancelledJob, PartialChoice } from '@rbee/contract';
import { resolveId } from '../daemon-client/resolve-id.ts';
import type { CommandDeps } from './command.ts';

/** Cancels the job of a download (an id, or the beginning of one) and says what became of its downloads. */
export async function downloadCancel(deps: CommandDeps, text: string, partial: PartialChoice): Promise<CancelledJob> {
  const { client, signal } = deps;
  const id = await resolveId('download', text, () => client.downloadIds(signal));
  const { job_id: jobId } = await client.download(id, signal);
  return client.cancelJob(jobId, partial, signal);
}
