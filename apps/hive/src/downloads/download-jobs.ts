import { type JobAccepted, type JobId, showModelRef } from '@rbee/contract';
import type { Job, JobRegistry } from '@rbee/jobs';
import type { DownloadRequest, Downloads } from './downloads.ts';

export interface StartJobDeps {
  readonly registry: JobRegistry;
  readonly downloads: Downloads;
  readonly hiveId: string;
}

/** Makes a job that waits for a download of what is asked for, and starts it. */
export function startDownload(deps: StartJobDeps, request: DownloadRequest, id?: JobId): JobAccepted {
  const { registry, downloads, hiveId } = deps;
  const job = registry.create({ operation: 'model_download', model: showModelRef(request.ref) }, id);
  const download = downloads.join(job, request);
  const download_sse_url = `/v2/downloads/${download.id}/stream`;
  job.addDownload({ hive_id: hiveId, download_id: download.id, download_sse_url });
  registry.run(job, () => download.wait(job));
  return toAccepted(job);
}

/**
 * Goes on with what an earlier life left: its ended jobs are remembered, its downloads go on, and a job of another kind
 * that was cut ends as failed.
 */
export function resumeAll({ registry, downloads }: StartJobDeps, kept: readonly ReturnType<Job['snapshot']>[]): void {
  const jobs = kept.map((snapshot) => registry.restore(snapshot));
  const open = jobs.filter((job) => !job.ended);
  const revived = downloads.restore(open);
  for (const job of open) {
    const waitFor = revived.filter(({ jobs: wanting }) => wanting.includes(job)).map(({ download }) => download);
    registry.run(job, async () => {
      if (waitFor.length === 0) throw new Error('the hive was stopped while it worked on this');
      await Promise.all(waitFor.map((download) => download.wait(job)));
    });
  }
}

/** The answer to the request that made a job. */
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
