import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { newJobId } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { completeOf } from '../support/events.ts';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';
import { openFleet, type ScriptedHive, scriptedHive } from '../support/scripted-hive.ts';

// Goal: a cancel is answered, and takes effect, whenever it comes. Method: a queen, and a hive whose response to the start
// the test holds back. Failure shows as 404 for a job that then runs, or as a job at a hive that nobody waits for.

vi.setConfig({ testTimeout: 60_000 });

let folder: TempDir;
let hive: ScriptedHive;
let queen: RunningQueen;
beforeEach(async () => {
  folder = await tempDir();
  hive = await scriptedHive('hive-a');
  queen = await queenIn(folder.path);
  await openFleet(queen.url, hive);
});
afterEach(async () => {
  await queen.close();
  await hive.close();
  await folder.remove();
});

const post = (job_id: string) =>
  api('POST', `${queen.url}/v1/jobs`, { operation: 'model_download', model: 'hf:org/repo::file=x', job_id });
const cancel = (job_id: string) => api('DELETE', `${queen.url}/v1/jobs/${job_id}`);
const posted = () => hive.waitFor(() => hive.posts() > 0, 'the start at the hive');

describe('a cancel', () => {
  it('[K8] that overtakes the response to the start waits for it, and cancels the job at its hive', async () => {
    const { jobId, downloadId } = hive.accepts(newJobId());
    const held = hive.holdPosts();
    const started = post(jobId);
    await posted();
    const cancelled = cancel(jobId);
    held.release();
    expect((await started).body).toMatchObject({ job_id: jobId, download_id: downloadId });
    expect(await cancelled).toMatchObject({
      status: 200,
      body: { status: 'cancelled', downloads: [{ download_id: downloadId, state: 'stopped' }] },
    });
    expect(hive.cancelled()).toEqual([jobId]);
  });

  it('[K8] of a start that its hive never answers is answered, and reaches the hive later', async () => {
    const { jobId } = hive.accepts(newJobId());
    const held = hive.holdPosts();
    const started = post(jobId);
    await posted();
    expect(await cancel(jobId)).toMatchObject({ status: 200, body: { status: 'cancelled', downloads: [] } });
    expect((await started).body).toMatchObject({ job_id: jobId });
    expect((await cancel(jobId)).body['status']).toBe('cancelled');
    await expect.poll(() => hive.cancelled(), { timeout: 40_000 }).toContain(jobId);
    held.release();
  });

  it('[K8] of a start while the hive is being chosen: no hive hears of it', async () => {
    const { jobId } = hive.accepts(newJobId());
    hive.serve('/v2/models', 'nothing');
    const started = post(jobId);
    await hive.waitFor(() => hive.requests.some(({ url }) => url === '/v2/models'), 'the choice');
    expect(await cancel(jobId)).toMatchObject({ status: 200, body: { status: 'cancelled', downloads: [] } });
    expect((await started).status).toBe(202);
    expect(hive.posts()).toBe(0);
  });

  it('[K8] of a start that is refused: 404, as for a job that never was', async () => {
    const jobId = newJobId();
    const held = hive.holdPosts();
    const started = post(jobId);
    await posted();
    const cancelled = cancel(jobId);
    hive.refusePosts({ code: 'SOURCE_NOT_ALLOWED', status: 403 });
    held.release();
    expect((await started).body).toMatchObject({ error: { code: 'SOURCE_NOT_ALLOWED' } });
    expect((await cancelled).status).toBe(404);
    expect((await api('GET', `${queen.url}/v1/jobs`)).body).toEqual({ jobs: [] });
  });

  it('[K8] of a job at a hive that is offline is answered without asking it', async () => {
    const { jobId } = hive.accepts(newJobId());
    await post(jobId);
    await hive.close();
    await expect.poll(isOnline, { timeout: 40_000 }).toBe(false);
    expect((await cancel(jobId)).body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'unreachable' }] });
  });

  it('[K8] of a job at a hive that is silent is answered', async () => {
    const { jobId } = hive.accepts(newJobId());
    await post(jobId);
    hive.serve(`DELETE /v1/jobs/${jobId}?partial=keep`, 'nothing');
    expect((await cancel(jobId)).body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'unreachable' }] });
  });

  it('[L2] follows a start whose response was an error, to a hive that has the job nevertheless', async () => {
    const { jobId } = hive.accepts(newJobId());
    hive.refusePosts({ code: 'INTERNAL', status: 500 });
    expect((await post(jobId)).status).toBe(500);
    expect((await api('GET', `${queen.url}/v1/jobs/${jobId}`)).status).toBe(404);
    await expect.poll(() => hive.cancelled(), { timeout: 40_000 }).toContain(jobId);
  });
});

describe('a queen that is killed', () => {
  it('[L2] between the response of a hive and its own finds the download of the job again', async () => {
    const { jobId, downloadId, narration, progress } = hive.accepts(newJobId());
    const held = hive.holdPosts();
    const started = post(jobId).catch(() => null);
    await posted();
    // What a killed queen leaves on disk.
    const killed = join(folder.path, 'killed');
    await cp(join(folder.path, 'state'), join(killed, 'state'), { recursive: true });
    await queen.close();
    await started;
    held.release();
    const snapshot = { job_id: jobId, operation: 'model_download', state: 'running', model: 'hf:org/repo::file=x' };
    const download = { hive_id: 'hive-a', download_id: downloadId, download_sse_url: '/d' };
    const times = { created_at: '2026-01-01T00:00:00.000Z', ended_at: null };
    const job = { ...snapshot, ...times, sse_url: '/s', downloads: [download], error: null };
    hive.serve(`GET /v1/jobs/${jobId}`, { json: job });
    queen = await queenIn(killed);
    await openFleet(queen.url, hive);
    const downloads = async () => (await api('GET', `${queen.url}/v1/jobs/${jobId}`)).body['downloads'];
    await expect.poll(downloads, { timeout: 40_000 }).toMatchObject([{ download_id: downloadId }]);
    narration.publish({ data: '[DONE]' }, 'terminal');
    progress.publish({ event: 'complete', data: completeOf(downloadId) }, 'terminal');
    expect(await (await fetch(`${queen.url}/v1/downloads/${downloadId}/stream`)).text()).toContain('event: complete');
  });
});

async function isOnline(): Promise<boolean | undefined> {
  const { hives } = (await api('GET', `${queen.url}/v1/hives`)).body as { hives: { online: boolean }[] };
  return hives[0]?.online;
}
