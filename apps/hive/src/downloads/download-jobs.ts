import { type Failure, type JobAccepted, type JobId, RbeeError, redactModelRef } from '@rbee/contract';
import { CancelRequest, type Job, type JobRegistry } from '@rbee/jobs';
import type { History } from '../history/history.ts';
import type { Download, DownloadRequest } from './download.ts';
import type { Downloads } from './downloads.ts';

export interface StartJobDeps {
  readonly history: Pick<History, 'atomically'>;
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
  readonly hiveId: string;
}

/**
 * Creates and starts a job that downloads what the request names. Job and download are in the history before either
 * begins; where they cannot be, nothing of them is left.
 * @throws RbeeError STATE_UNAVAILABLE
 */
export async function startDownload(deps: StartJobDeps, request: DownloadRequest, id?: JobId): Promise<JobAccepted> {
  const { registry, downloads, history, hiveId } = deps;
  const undo: (() => void)[] = [];
  try {
    const { job, joined } = await history.atomically(() => {
      const job = registry.create({ operation: 'model_download', model: redactModelRef(request.ref) }, id);
      undo.push(() => registry.undo(job));
      const joined = downloads.join(job, request);
      undo.push(joined.leave);
      const download_id = joined.download.id;
      const download_sse_url = `/v2/downloads/${download_id}/stream`;
      job.addDownload({ hive_id: hiveId, download_id, download_sse_url });
      return { job, joined };
    });
    await joined.begin();
    if (job.ended) leaveEnded(joined.download, job);
    else registry.run(job, () => joined.download.wait(job));
    return toAccepted(job);
  } catch (error) {
    for (const step of undo.toReversed()) step();
    throw error;
  }
}

/** A job that was cancelled before it began wants its download no more. */
function leaveEnded(download: Download, job: Job): void {
  download.wait(job).catch(() => {});
}

/**
 * Restores the jobs of a previous run: ended ones are listed again, downloads resume, and any other job that was
 * interrupted fails.
 */
export function restoreJobs(
  { registry, downloads }: StartJobDeps,
  saved: readonly ReturnType<Job['snapshot']>[],
): void {
  const jobs = saved.map((snapshot) => registry.restore(snapshot));
  const open = jobs.filter((job) => !job.ended);
  const restored = downloads.restore(open);
  for (const job of open) {
    const waitFor = restored.filter(({ jobs: wanting }) => wanting.includes(job)).map(({ download }) => download);
    registry.run(job, async () => {
      if (waitFor.length === 0) endAsItsDownloads(job, downloads);
      await Promise.all(waitFor.map((download) => download.wait(job)));
    });
  }
}

/** The hive was stopped between the end of a download and that of its job. @throws what ended the job; nothing if it is completed */
function endAsItsDownloads(job: Job, downloads: Downloads): void {
  const ended = downloads.list().filter(({ download_id: id }) => job.downloads.some((each) => each.download_id === id));
  if (ended.length === 0) throw new Error('the hive was stopped while this job ran');
  for (const { status, error } of ended) {
    if (status === 'failed') throw errorOf(error);
    if (status === 'cancelled') job.abort(new CancelRequest('keep'));
  }
  job.signal.throwIfAborted();
}

function errorOf(failure: Failure | null): Error {
  if (failure === null) return new Error('the download failed');
  const { code, message, hint } = failure;
  return new RbeeError(code, message, hint === undefined ? {} : { hint });
}

/** The response to the request that created a job. */
export function toAccepted(job: Job): JobAccepted {
  const [download] = job.downloads;
  return {
    job_id: job.id,
    sse_url: job.snapshot().sse_url,
    ...(download === undefined
      ? {}
      : { download_id: download.download_id, download_sse_url: download.download_sse_url }),
  };
}
