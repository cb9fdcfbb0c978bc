import type { CancelledDownload, DownloadId, PartialChoice } from '@rbee/contract';
import { CancelRequest, type JobRegistry } from '@rbee/jobs';
import { type Downloads, receiptOf } from './downloads.ts';

export interface CancelDownloadDeps {
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
}

/**
 * Cancels every job that waits for a download, and resolves when it has stopped. With `discard`, what an ended one left on
 * disk is deleted.
 * @throws RbeeError DOWNLOAD_NOT_FOUND
 */
export async function cancelDownload(
  { registry, downloads }: CancelDownloadDeps,
  id: DownloadId,
  partial: PartialChoice,
): Promise<CancelledDownload> {
  const waiting = downloads.stop(id, new CancelRequest(partial)).filter((job) => !job.ended);
  // In the same turn, so that no request can join it in between.
  const jobs = await Promise.all(waiting.map((job) => registry.cancel(job.id, partial)));
  const cancelled = jobs.filter(({ state }) => state === 'cancelled').length;
  if (cancelled === 0 && partial === 'discard') await downloads.discardLeftovers(id);
  const download = downloads.get(id);
  return {
    download_id: id,
    status: download.status,
    jobs: cancelled,
    downloads: [receiptOf(download, cancelled > 0)],
  };
}
