import {
  type CancelledDownload,
  type CancelledJob,
  type CancelReceipt,
  type Download,
  type DownloadId,
  type Job,
  type JobId,
  RbeeError,
} from '@rbee/contract';

/** The requests to one hive that stand in for the cancel of a download. */
export interface JobRequests {
  listJobs(): Promise<{ readonly jobs: readonly Job[] }>;
  cancelJob(id: JobId): Promise<CancelledJob>;
  getDownload(id: DownloadId): Promise<Download>;
}

/** The hive runs, but its version has no such route. */
export function lacksRoute(error: unknown): boolean {
  return error instanceof RbeeError && error.code === 'ROUTE_NOT_FOUND';
}

/** Cancels a download at a hive whose version can only cancel jobs: every job that waits for it. */
export async function cancelByJobs(requests: JobRequests, hiveId: string, id: DownloadId): Promise<CancelledDownload> {
  const { jobs } = await requests.listJobs();
  const waiting = jobs.filter(
    ({ ended_at, downloads }) => ended_at === null && downloads.some(({ download_id }) => download_id === id),
  );
  const cancelled = await Promise.all(waiting.map(({ job_id }) => requests.cancelJob(job_id)));
  const receipts = cancelled.flatMap(({ downloads }) => downloads).filter(({ download_id }) => download_id === id);
  const { status, partial, bytes } = await requests.getDownload(id);
  const ended: CancelReceipt = { hive_id: hiveId, download_id: id, state: 'ended', partial, bytes };
  return {
    download_id: id,
    status,
    jobs: cancelled.filter((job) => job.status === 'cancelled').length,
    // A job that leaves a download to others has not stopped it: the last one does.
    downloads: [receipts.find(({ state }) => state === 'stopped') ?? ended],
  };
}
