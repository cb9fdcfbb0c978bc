import { type JobAccepted, type JobId, redactModelRef } from '@rbee/contract';
import type { Job, JobRegistry } from '@rbee/jobs';
import type { History } from '../history/history.ts';
import type { DownloadRequest } from './download.ts';
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
export function startDownload(deps: StartJobDeps, request: DownloadRequest, id?: JobId): JobAccepted {
  const { registry, downloads, history, hiveId } = deps;
  const undo: (() => void)[] = [];
  const begin = () =>
    history.atomically(() => {
      const job = registry.create({ operation: 'model_download', model: redactModelRef(request.ref) }, id);
      undo.push(() => registry.undo(job));
      const joined = downloads.join(job, request);
      undo.push(joined.leave);
      const download_id = joined.download.id;
      const download_sse_url = `/v2/downloads/${download_id}/stream`;
      job.addDownload({ hive_id: hiveId, download_id, download_sse_url });
      return { job, joined };
    });
  const { job, joined } = orUndo(begin, undo);
  joined.begin();
  registry.run(job, () => joined.download.wait(job));
  return toAccepted(job);
}

/** When `work` throws, runs the steps that it has left by then, the last one first. */
function orUndo<T>(work: () => T, steps: readonly (() => void)[]): T {
  try {
    return work();
  } catch (error) {
    for (const step of steps.toReversed()) step();
    throw error;
  }
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
      if (waitFor.length === 0) throw new Error('the hive was stopped while this job ran');
      await Promise.all(waitFor.map((download) => download.wait(job)));
    });
  }
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
