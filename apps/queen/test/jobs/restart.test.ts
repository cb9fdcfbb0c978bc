import { type DownloadId, hiveRoutes, type JobId, newDownloadId, newJobId, pathOf } from '@rbee/contract';
import type { Channel } from '@rbee/event-stream';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeOf } from '../support/events.ts';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';
import { api, queenIn } from '../support/queen.ts';

// Goal: a job that was under way when its queen ended is followed again by the next one, or ends as it must. Method: a
// hive with scripted responses, and two queens, one after the other, with one state folder.

const MODEL = 'hf:org/repo::file=x.gguf';

let folder: TempDir;
let hive: FakeHive;
let jobId: JobId;
let downloadId: DownloadId;
let narration: Channel;
let progress: Channel;

beforeEach(async () => {
  folder = await tempDir();
  hive = await startFakeHive();
  hive.beKnownAs('hive-a');
  [jobId, downloadId] = [newJobId(), newDownloadId()];
  hive.beat('hive-a', { free_bytes: 5e12 });
  hive.serve('/v2/settings', { json: { max_bandwidth: null, max_concurrent_downloads: 3 } });
  hive.serve('POST /v1/jobs', {
    status: 202,
    json: { job_id: jobId, sse_url: '/s', download_id: downloadId, download_sse_url: '/d' },
  });
  [narration, progress] = [hive.channel(), hive.channel()];
  hive.serve(pathOf(hiveRoutes.streamJob, { id: jobId }), narration);
  hive.serve(pathOf(hiveRoutes.streamDownload, { id: downloadId }), progress);
});
afterEach(async () => {
  await hive.close();
  await folder.remove();
});

const queen = () => queenIn(folder.path, { RBEE_QUEEN_HIVES: `hive-a=${hive.url}` });
const request = () => ({ operation: 'model_download', model: MODEL, job_id: jobId });

/** Polls until the response has it. */
async function until(url: string, wanted: object): Promise<void> {
  let seen: unknown;
  let isRight = false;
  let isOver = false;
  const look = async () => {
    const { body } = await api('GET', url);
    seen = body;
    isRight = Object.entries(wanted).every(([key, value]) => body[key] === value);
    if (!isRight && !isOver) setTimeout(() => void look().catch(() => {}), 10);
  };
  await look();
  await hive
    .waitFor(() => isRight, JSON.stringify(wanted))
    .catch((error: unknown) => {
      isOver = true;
      throw new Error(`${String(error)}; it was ${JSON.stringify(seen)}`);
    });
}

/** The first life: the job is taken, and under way when the queen stops. */
async function firstLife(): Promise<unknown> {
  const first = await queen();
  try {
    await until(`${first.url}/v1/info`, { hives_online: 1 });
    const { status, body } = await api('POST', `${first.url}/v1/jobs`, request());
    expect(status).toBe(202);
    await until(`${first.url}/v1/jobs/${jobId}`, { state: 'running' });
    return body;
  } finally {
    await first.close();
  }
}

async function inSecondLife(work: (url: string) => Promise<void>): Promise<void> {
  const second = await queen();
  try {
    await work(second.url);
  } finally {
    await second.close();
  }
}

describe('a job of a previous run', () => {
  it('is followed again to its end, and the same request is answered as before', async () => {
    const answer = await firstLife();
    await inSecondLife(async (url) => {
      await until(`${url}/v1/jobs/${jobId}`, { state: 'running' });
      expect(await api('POST', `${url}/v1/jobs`, request())).toEqual({ status: 202, body: answer });
      expect(await api('POST', `${url}/v1/jobs`, { ...request(), model: 'hf:org/other' })).toMatchObject({
        status: 409,
      });
      narration.publish({ data: '[DONE]' }, 'terminal');
      progress.publish({ event: 'complete', data: completeOf(downloadId) }, 'terminal');
      await until(`${url}/v1/jobs/${jobId}`, { state: 'completed' });
    });
    await inSecondLife((url) => until(`${url}/v1/jobs/${jobId}`, { state: 'completed' }));
    const asked = hive.requests.filter(({ method }) => method === 'POST');
    expect(asked).toHaveLength(1);
  });

  it('fails if the hive no longer knows it, and its download ends with an error', async () => {
    await firstLife();
    hive.forget(pathOf(hiveRoutes.streamJob, { id: jobId }));
    hive.forget(pathOf(hiveRoutes.streamDownload, { id: downloadId }));
    await inSecondLife(async (url) => {
      await until(`${url}/v1/jobs/${jobId}`, { state: 'failed' });
      const { body } = await api('GET', `${url}/v1/jobs/${jobId}`);
      expect(body['error']).toMatchObject({ message: 'the hive hive-a no longer knows this job' });
      const stream = await fetch(`${url}/v1/downloads/${downloadId}/stream`);
      expect(await stream.text()).toMatch(/event: error\n.*\ndata: .*"code":"DOWNLOAD_NOT_FOUND"/);
    });
  });

  it('ends as cancelled where somebody cancelled it at the hive', async () => {
    await firstLife();
    narration.publish({ data: '[CANCELLED]' }, 'terminal');
    await inSecondLife((url) => until(`${url}/v1/jobs/${jobId}`, { state: 'cancelled' }));
    expect(hive.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
  });
});
