import { type DownloadId, hiveRoutes, type JobId, newDownloadId, pathOf } from '@rbee/contract';
import type { Channel } from '@rbee/event-stream';
import { cancelledOf } from './events.ts';
import { type FakeHive, heartbeatOf, startFakeHive } from './fake-hive.ts';
import { api } from './queen.ts';

/** A job that the hive accepts. */
export interface Accepted {
  readonly jobId: JobId;
  readonly downloadId: DownloadId;
  readonly narration: Channel;
  readonly progress: Channel;
}

/** A hive that accepts any number of jobs, each with a download whose streams the test scripts. */
export interface ScriptedHive extends FakeHive {
  readonly hiveId: string;
  /** The job of that id, from now on. */
  accepts(jobId: JobId, downloadId?: DownloadId): Accepted;
  /** Holds back its responses to new jobs. */
  holdPosts(): { release(): void };
  /** Responds to new jobs with an error. */
  refusePosts(error: { readonly code: string; readonly status: number }): void;
  /** Number of jobs that it was asked for. */
  posts(): number;
  /** Ids of jobs that it was asked to cancel, and did. */
  cancelled(): string[];
  /** It responds to no cancel until they are mended. */
  breakCancels(): void;
  mendCancels(): void;
}

export async function scriptedHive(hiveId: string, port = 0): Promise<ScriptedHive> {
  const hive = await startFakeHive(port);
  hive.beKnownAs(hiveId);
  const beats = hive.channel();
  const beat = () =>
    beats.publish({ event: 'heartbeat', data: heartbeatOf(hiveId, hive.url, { free_bytes: 5e12 }) }, 'state');
  beat();
  const beating = setInterval(beat, 500);
  hive.serve('/v1/heartbeats/stream', beats);
  hive.serve('/v2/settings', { json: { max_bandwidth: null, max_concurrent_downloads: 3 } });
  hive.serve('/v2/models', { json: { models: [], partials: [], problems: [] } });
  const accepted = new Map<JobId, Accepted>();
  let cancelsWork = true;
  const cancelPaths = (id: JobId) => ['keep', 'discard'].map((partial) => `DELETE /v1/jobs/${id}?partial=${partial}`);
  const serveCancel = ({ jobId, downloadId }: Accepted) => {
    const receipt = { download_id: downloadId, hive_id: hiveId, state: 'stopped', partial: 'kept', bytes: 0 };
    const response = { json: { job_id: jobId, status: 'cancelled', downloads: [receipt] } };
    for (const path of cancelPaths(jobId)) hive.serve(path, cancelsWork ? response : 500);
  };
  hive.onRequest = (request) => {
    const id = /^\/v1\/jobs\/([^/?]+)\?/.exec(request.url ?? '')?.[1] as JobId | undefined;
    const job = id === undefined ? undefined : accepted.get(id);
    if (request.method !== 'DELETE' || job === undefined || !cancelsWork) return;
    if (!job.progress.ended)
      job.progress.publish({ event: 'cancelled', data: cancelledOf(job.downloadId) }, 'terminal');
    if (!job.narration.ended) job.narration.publish({ data: '[CANCELLED]' }, 'terminal');
  };
  let isHeld: Promise<void> = Promise.resolve();
  let refusal: { readonly status: number; readonly json: unknown } | null = null;
  hive.onPost = async (body) => {
    await isHeld;
    if (refusal !== null) return refusal;
    const job = accepted.get(body['job_id'] as JobId);
    if (job === undefined) return 404;
    const { jobId, downloadId } = job;
    return {
      status: 202,
      json: { job_id: jobId, sse_url: '/s', download_id: downloadId, download_sse_url: '/d' },
    };
  };
  return {
    ...hive,
    hiveId,
    accepts(jobId, downloadId = newDownloadId()) {
      const known = accepted.get(jobId);
      if (known) return known;
      const job = { jobId, downloadId, narration: hive.channel(), progress: hive.channel() };
      accepted.set(jobId, job);
      hive.serve(pathOf(hiveRoutes.streamJob, { id: jobId }), job.narration);
      hive.serve(pathOf(hiveRoutes.streamDownload, { id: job.downloadId }), job.progress);
      // Known, which is all that a queen wants to know of it here.
      for (const path of [`/v1/jobs/${jobId}`, `/v2/downloads/${downloadId}`]) hive.serve(path, { json: {} });
      serveCancel(job);
      return job;
    },
    holdPosts() {
      const { promise, resolve } = Promise.withResolvers<void>();
      isHeld = promise;
      return { release: resolve };
    },
    refusePosts({ code, status }) {
      refusal = { status, json: { error: { code, message: 'no', request_id: 'r' } } };
    },
    posts: () => hive.requests.filter(({ method }) => method === 'POST').length,
    cancelled: () =>
      hive.requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url?.split(/[/?]/)[3] ?? ''),
    breakCancels() {
      cancelsWork = false;
      for (const job of accepted.values()) serveCancel(job);
    },
    mendCancels() {
      cancelsWork = true;
      for (const job of accepted.values()) serveCancel(job);
    },
    async close() {
      clearInterval(beating);
      await hive.close();
    },
  };
}

/** Registers the hive, and waits until it is online. */
export async function openFleet(queenUrl: string, hive: ScriptedHive): Promise<void> {
  const { hiveId, url } = hive;
  const isOnline = async () => {
    const { hives } = (await api('GET', `${queenUrl}/v1/hives`)).body as {
      hives: { hive_id: string; online: boolean }[];
    };
    return hives.some(({ hive_id, online }) => hive_id === hiveId && online);
  };
  await api('POST', `${queenUrl}/v1/hive/ready`, { hive_id: hiveId, hive_url: url });
  let online = await isOnline();
  let isOver = false;
  const look = async () => {
    online = await isOnline();
    if (!online && !isOver) setTimeout(() => void look().catch(() => {}), 20);
  };
  await look();
  await hive
    .waitFor(() => online, `${hiveId} to be online`)
    .finally(() => {
      isOver = true;
    });
}
