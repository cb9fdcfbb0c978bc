import type { CancelledJob, PartialChoice } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';

/** Cancels the job of a download (an id, or the beginning of one) and says what became of its downloads. */
export async function downloadCancel(deps: CommandDeps, text: string, partial: PartialChoice): Promise<CancelledJob> {
  const { client, signal } = deps;
  const id = await resolveDownloadId(deps, text);
  const { job_id: jobId } = await client.download(id, signal);
  return client.cancelJob(jobId, partial, signal);
}
