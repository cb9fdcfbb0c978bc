import { newDownloadId, newJobId } from '@rbee/contract';
import { Agent } from 'undici';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createHiveClient, type HiveClient } from '../../src/hives/client.ts';
import { downloadOf } from '../support/events.ts';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';

// Goal: the cancel of a download works at a hive of a version without that route. Method: a server that answers as one does.

const id = newDownloadId(1);
const other = newDownloadId(2);
const waiting = [newJobId(), newJobId()];
const NO_ROUTE = { status: 404, json: { error: { code: 'ROUTE_NOT_FOUND', message: 'no', request_id: 'r' } } };

let fake: FakeHive;
let dispatcher: Agent;
let client: HiveClient;
let hive: { hive_id: string; hive_url: string };

beforeEach(async () => {
  fake = await startFakeHive();
  fake.serve(`POST /v2/downloads/${id}/cancel`, NO_ROUTE);
  dispatcher = new Agent();
  client = createHiveClient({ dispatcher, token: null });
  hive = { hive_id: 'old', hive_url: fake.url };
});
afterEach(async () => {
  await dispatcher.destroy();
  await fake.close();
});

it('[K1] cancels every job that waits for the download at an older hive', async () => {
  serveJobs([
    { job_id: waiting[0], download: id, ended: false },
    { job_id: newJobId(), download: other, ended: false },
    { job_id: waiting[1], download: id, ended: false },
    { job_id: newJobId(), download: id, ended: true },
  ]);
  fake.serve(`DELETE /v1/jobs/${waiting[0]}`, { json: { job_id: waiting[0], status: 'cancelled', downloads: [] } });
  const receipt = { download_id: id, hive_id: 'old', state: 'stopped', partial: 'discarded', bytes: 0 };
  fake.serve(`DELETE /v1/jobs/${waiting[1]}`, {
    json: { job_id: waiting[1], status: 'cancelled', downloads: [receipt] },
  });
  serveDownload('cancelled');
  expect(await client.cancelDownload(hive, id, 'discard')).toEqual({
    download_id: id,
    status: 'cancelled',
    jobs: 2,
    downloads: [receipt],
  });
  const deleted = fake.requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
  expect(deleted.sort()).toEqual(waiting.map((job) => `/v1/jobs/${job}?partial=discard`).sort());
});

it('[K1] says that a download of an older hive had ended', async () => {
  serveJobs([{ job_id: waiting[0], download: id, ended: true }]);
  serveDownload('complete');
  expect(await client.cancelDownload(hive, id, 'keep')).toMatchObject({
    status: 'complete',
    jobs: 0,
    downloads: [{ state: 'ended', bytes: 10 }],
  });
});

it('[K1] claims nothing of a partial that an older hive does not discard any more', async () => {
  serveJobs([{ job_id: waiting[0], download: id, ended: true }]);
  serveDownload('cancelled', 'kept');
  expect(await client.cancelDownload(hive, id, 'discard')).toMatchObject({
    jobs: 0,
    downloads: [{ state: 'ended', partial: 'kept', bytes: 10 }],
  });
});

it('[K1] has an older hive say that it does not know the download', async () => {
  serveJobs([]);
  await expect(client.cancelDownload(hive, id, 'keep')).rejects.toMatchObject({ code: 'DOWNLOAD_NOT_FOUND' });
});

function serveJobs(jobs: readonly { job_id: string | undefined; download: string; ended: boolean }[]): void {
  const at = '2026-01-01T00:00:00.000Z';
  const list = jobs.map(({ job_id, download, ended }) => ({
    job_id,
    operation: 'model_download',
    state: ended ? 'completed' : 'running',
    model: 'hf:org/repo',
    sse_url: `/v1/jobs/${job_id}/stream`,
    created_at: at,
    ended_at: ended ? at : null,
    downloads: [{ hive_id: 'old', download_id: download, download_sse_url: `/v2/downloads/${download}/stream` }],
    error: null,
  }));
  fake.serve('GET /v1/jobs', { json: { jobs: list } });
}

function serveDownload(status: 'cancelled' | 'complete', partial: 'kept' | null = null): void {
  fake.serve(`GET /v2/downloads/${id}`, { json: downloadOf(id, { status, bytes: 10, partial }) });
}
