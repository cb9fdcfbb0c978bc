import { type DownloadId, hiveRoutes, newJobId, pathOf } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';
import { openFleet, type ScriptedHive, scriptedHive } from '../support/scripted-hive.ts';

// Goal: the cancel of a download is answered and takes effect, wherever its hive is. Method: a queen, and hives that the
// test closes, silences or replaces. Failure shows as an error in place of a receipt, or as a hive that is never told.

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

async function started(more: Record<string, unknown> = {}) {
  const job = hive.accepts(newJobId());
  const body = { operation: 'model_download', model: 'hf:org/repo::file=x', job_id: job.jobId, ...more };
  expect((await api('POST', `${queen.url}/v1/jobs`, body)).status).toBe(202);
  return job;
}

const cancel = (id: string, partial = 'keep') =>
  api('POST', `${queen.url}/v1/downloads/${id}/cancel?partial=${partial}`);
const stateOf = async (jobId: string) => (await api('GET', `${queen.url}/v1/jobs/${jobId}`)).body['state'];
const cancelPath = (id: DownloadId, partial = 'keep') =>
  `POST ${pathOf(hiveRoutes.cancelDownload, { id })}?partial=${partial}`;
const told =
  (id: DownloadId, partial = 'keep') =>
  () =>
    hive.requests.filter(({ method, url }) => `${method} ${url}` === cancelPath(id, partial)).length;

/** The hive is back at its address. */
async function comesBack(id: DownloadId, partial = 'keep') {
  const { port } = new URL(hive.url);
  hive = await scriptedHive('hive-a', Number(port));
  serveCancel(id, partial);
}

function serveCancel(id: DownloadId, partial = 'keep') {
  const receipt = { download_id: id, hive_id: 'hive-a', state: 'stopped', partial: 'kept', bytes: 5 };
  hive.serve(cancelPath(id, partial), {
    json: { download_id: id, status: 'cancelled', jobs: 1, downloads: [receipt] },
  });
}

async function untilOffline() {
  const isOnline = async () => {
    const { hives } = (await api('GET', `${queen.url}/v1/hives`)).body as { hives: { online: boolean }[] };
    return hives[0]?.online;
  };
  await expect.poll(isOnline, { timeout: 40_000 }).toBe(false);
}

const unreachable = (download_id: string) => ({
  status: 200,
  body: {
    download_id,
    status: 'cancelled',
    downloads: [{ download_id, hive_id: 'hive-a', state: 'unreachable', partial: null, bytes: 0 }],
  },
});

describe('the cancel of a download', () => {
  it('[K1] whose hive is offline is answered, cancels its jobs, and reaches the hive when it is back', async () => {
    const { downloadId, jobId } = await started();
    await hive.close();
    await untilOffline();
    const answer = await cancel(downloadId, 'discard');
    expect(answer).toMatchObject(unreachable(downloadId));
    expect(answer.body['jobs']).toBe(1);
    expect(await stateOf(jobId)).toBe('cancelled');
    await comesBack(downloadId, 'discard');
    await expect.poll(told(downloadId, 'discard'), { timeout: 40_000 }).toBe(1);
  });

  it('[K1] whose hive is offline survives a restart of the queen', async () => {
    const { downloadId, jobId } = await started();
    await hive.close();
    await untilOffline();
    await cancel(downloadId);
    await queen.close();
    queen = await queenIn(folder.path);
    expect(await stateOf(jobId)).toBe('cancelled');
    expect(await cancel(downloadId)).toMatchObject({ ...unreachable(downloadId), body: { jobs: 0 } });
    await comesBack(downloadId);
    await expect.poll(told(downloadId), { timeout: 40_000 }).toBe(1);
  });

  it('[K1] is known after a restart of the queen that came before it', async () => {
    const { downloadId, jobId } = await started();
    await hive.close();
    await queen.close();
    queen = await queenIn(folder.path);
    expect(await cancel(downloadId)).toMatchObject(unreachable(downloadId));
    expect(await stateOf(jobId)).toBe('cancelled');
  });

  it('[K1] whose hive is silent is answered, and tried again', async () => {
    const { downloadId, jobId } = await started();
    hive.serve(cancelPath(downloadId), 'nothing');
    expect(await cancel(downloadId)).toMatchObject(unreachable(downloadId));
    expect(await stateOf(jobId)).toBe('cancelled');
    serveCancel(downloadId);
    await expect.poll(told(downloadId), { timeout: 40_000 }).toBeGreaterThan(1);
  });

  it.each([
    ['another hive', 'hive-b'],
    ['a program that is no hive', null],
  ])('[L1] never ends at %s at the address of its hive', async (_, name) => {
    const { downloadId, jobId } = await started();
    if (name !== null) hive.beKnownAs(name);
    else hive.serve('/v1/info', 404);
    for (const path of [cancelPath(downloadId), `/v2/downloads/${downloadId}`]) hive.forget(path);
    expect(await cancel(downloadId)).toMatchObject(unreachable(downloadId));
    expect(await stateOf(jobId)).toBe('cancelled');
    hive.beKnownAs('hive-a');
    serveCancel(downloadId);
    await expect.poll(told(downloadId), { timeout: 40_000 }).toBe(2);
  });

  it('[K1] that its hive no longer knows is 404', async () => {
    const { downloadId } = await started();
    for (const path of [cancelPath(downloadId), `/v2/downloads/${downloadId}`]) hive.forget(path);
    expect(await cancel(downloadId)).toMatchObject({ status: 404, body: { error: { code: 'DOWNLOAD_NOT_FOUND' } } });
  });

  it('[K1] leaves the downloads of the same job at other hives alone', async () => {
    const other = await scriptedHive('hive-b');
    try {
      await openFleet(queen.url, other);
      const jobId = newJobId();
      const there = other.accepts(jobId);
      const here = hive.accepts(jobId);
      const body = { operation: 'model_download', model: 'hf:org/repo::file=x', job_id: jobId, hive_id: '*' };
      await api('POST', `${queen.url}/v1/jobs`, body);
      await hive.close();
      await untilOffline();
      expect(await cancel(here.downloadId)).toMatchObject(unreachable(here.downloadId));
      expect(await stateOf(jobId)).toBe('running');
      expect(other.cancelled()).toEqual([]);
      there.narration.publish({ data: '[DONE]' }, 'terminal');
      await expect.poll(() => stateOf(jobId)).toBe('cancelled');
    } finally {
      await other.close();
    }
  });

  it('[K1] whose end the queen has seen is answered with it while the hive is offline', async () => {
    const { downloadId, progress, narration, jobId } = await started();
    const end = { download_id: downloadId, bytes: 9, total: 9, duration_secs: 1, path: '/m/x', sha256: null };
    progress.publish({ event: 'complete', data: JSON.stringify(end) }, 'terminal');
    narration.publish({ data: '[DONE]' }, 'terminal');
    await expect.poll(() => stateOf(jobId)).toBe('completed');
    await hive.close();
    await untilOffline();
    expect((await cancel(downloadId)).body).toMatchObject({
      ...{ status: 'complete', jobs: 0, downloads: [{ state: 'ended', partial: null, bytes: 9 }] },
    });
  });

  it('[K1] is in the receipt of its job for as long as the hive has not heard of it', async () => {
    const { downloadId, jobId } = await started();
    hive.serve(cancelPath(downloadId), 500);
    await cancel(downloadId);
    const receipt = async () => (await api('DELETE', `${queen.url}/v1/jobs/${jobId}`)).body['downloads'];
    expect(await receipt()).toMatchObject([{ download_id: downloadId, state: 'unreachable' }]);
    serveCancel(downloadId);
    await expect.poll(receipt, { timeout: 40_000 }).not.toMatchObject([{ state: 'unreachable' }]);
  });
});
