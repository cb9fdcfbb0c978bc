import { join } from 'node:path';
import { type DownloadId, newDownloadId, newJobId } from '@rbee/contract';
import { openStateDb } from '@rbee/daemon';
import { type DownloadState, DownloadTracker } from '@rbee/download-tracker';
import { createManualClock, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HISTORY_MIGRATIONS } from '../../src/history/history.ts';
import { startTestHive, type TestHive } from '../models/support.ts';

// Goal: one row that cannot be read costs that row, and neither the start nor any other row. Method: real hives over a
// history with one bad row between good ones. Failure shows as a hive that does not start, or that starts without the
// good rows.

vi.setConfig({ testTimeout: 60_000 });

let folder: TempDir;
let hive: TestHive | null;
beforeEach(async () => {
  folder = await tempDir();
  hive = null;
});
afterEach(async () => {
  await hive?.close();
  await folder.remove();
});

const open = () =>
  openStateDb(join(folder.path, 'hive.sqlite'), { migrations: HISTORY_MIGRATIONS, onDamage: () => {} });

function endedState(downloadId: DownloadId = newDownloadId(1_000)): DownloadState {
  const tracker = new DownloadTracker({ clock: createManualClock() });
  let kept: DownloadState | null = null;
  tracker.onKeep((state) => {
    kept = state;
  });
  const more = { modelRef: 'hf:org/m::file=a', priority: 0, maxBandwidth: null, retryOf: null };
  tracker.start({ downloadId, jobId: newJobId(), hiveId: 'hive-a', ...more });
  tracker.cancel(downloadId, 'kept');
  if (kept === null) throw new Error('nothing was kept');
  return kept;
}

function endedJob(): Record<string, unknown> {
  const job_id = newJobId();
  return {
    ...{ job_id, operation: 'model_list', state: 'completed', model: null, sse_url: `/v1/jobs/${job_id}/stream` },
    ...{ created_at: '2026-01-01T00:00:00.000Z', ended_at: '2026-01-01T00:00:01.000Z', downloads: [], error: null },
  };
}

/** Starts a hive over one good job, one good download, and what `add` puts there. */
async function startOver(add: (db: ReturnType<typeof open>) => void): Promise<{ job: string; download: string }> {
  const db = open();
  const job = endedJob();
  const state = endedState();
  const id = String(job['job_id']);
  db.prepare('INSERT INTO jobs VALUES (?, ?, ?)').run(id, String(job['created_at']), JSON.stringify(job));
  const insert = db.prepare('INSERT INTO downloads (download_id, sha256, state) VALUES (?, NULL, ?)');
  insert.run(state.downloadId, JSON.stringify(state));
  add(db);
  db.close();
  hive = await startTestHive({ RBEE_HIVE_STATE_DIR: folder.path });
  return { job: id, download: state.downloadId };
}

async function badRowsOf(running: TestHive): Promise<number> {
  const text = await (await fetch(`${running.url}/metrics`)).text();
  return Number(/^rbee_history_bad_rows_total (\d+)$/m.exec(text)?.[1]);
}

/** The good rows are there, the bad one is counted, and set aside for good. */
async function expectGoodRows(good: { job: string; download: string }, row: string): Promise<void> {
  if (hive === null) throw new Error('no hive');
  const { jobs } = (await hive.api('GET', '/v1/jobs')).body as { jobs: { job_id: string }[] };
  expect(jobs.map(({ job_id }) => job_id)).toEqual([good.job]);
  const { downloads } = (await hive.api('GET', '/v2/downloads')).body as { downloads: { download_id: string }[] };
  expect(downloads.map(({ download_id }) => download_id)).toContain(good.download);
  expect(await badRowsOf(hive)).toBe(1);
  await hive.close();
  hive = null;
  const db = open();
  expect(db.prepare('SELECT row FROM bad_rows').all()).toEqual([{ row }]);
  db.close();
  hive = await startTestHive({ RBEE_HIVE_STATE_DIR: folder.path });
  expect(await badRowsOf(hive)).toBe(0);
}

describe('a history with one bad row', () => {
  it.each([
    ['is no JSON', () => 'not json'],
    ['is an empty object', () => '{}'],
    ['is null', () => 'null'],
    ['has no ref', (state: DownloadState) => JSON.stringify({ ...state, modelRef: '' })],
    ['has a ref of a later version', (state: DownloadState) => JSON.stringify({ ...state, modelRef: 'new:b/k' })],
    ['has a status of a later version', (state: DownloadState) => JSON.stringify({ ...state, status: 'frozen' })],
    ['has the id of another', (state: DownloadState) => JSON.stringify({ ...state, downloadId: newDownloadId() })],
    ['has an impossible time', (state: DownloadState) => JSON.stringify({ ...state, createdAtMs: 1e300 })],
    ['has negative bytes', (state: DownloadState) => JSON.stringify({ ...state, bytes: -1 })],
    ['has ended without a time', (state: DownloadState) => JSON.stringify({ ...state, endedAtMs: null })],
    ['has an unknown error', (state: DownloadState) => JSON.stringify({ ...state, error: { code: 'NEW' } })],
    ['is cut', (state: DownloadState) => JSON.stringify(state).slice(0, 100)],
  ])('[F3] a download that %s: the hive starts with the others', async (_, text) => {
    const bad = endedState(newDownloadId(2_000));
    const good = await startOver((db) => {
      const insert = db.prepare('INSERT INTO downloads (download_id, sha256, state) VALUES (?, NULL, ?)');
      insert.run(bad.downloadId, text(bad));
    });
    await expectGoodRows(good, `download ${bad.downloadId}`);
  });

  it.each([
    ['is no JSON', () => 'not json'],
    ['is an empty object', () => '{}'],
    ['is a list', () => '[]'],
    ['has a state of a later version', (job: object) => JSON.stringify({ ...job, state: 'frozen' })],
    ['has ended without a time', (job: object) => JSON.stringify({ ...job, ended_at: null })],
    ['has the id of another', (job: object) => JSON.stringify({ ...job, job_id: newJobId() })],
    ['has malformed downloads', (job: object) => JSON.stringify({ ...job, downloads: [{}] })],
  ])('[F3] a job that %s: the hive starts with the others', async (_, text) => {
    const bad = endedJob();
    const id = String(bad['job_id']);
    const good = await startOver((db) =>
      db.prepare('INSERT INTO jobs VALUES (?, ?, ?)').run(id, String(bad['created_at']), text(bad)),
    );
    await expectGoodRows(good, `job ${id}`);
  });

  it('[F3] content that cannot be read: the download itself stays', async () => {
    const state = endedState(newDownloadId(2_000));
    const good = await startOver((db) =>
      db
        .prepare('INSERT INTO downloads (download_id, sha256, state, content) VALUES (?, NULL, ?, ?)')
        .run(state.downloadId, JSON.stringify(state), '{"place":1}'),
    );
    const { body } = (await hive?.api('GET', `/v2/downloads/${state.downloadId}`)) ?? {};
    expect(body?.['status']).toBe('cancelled');
    await expectGoodRows(good, `content ${state.downloadId}`);
  });

  it('[F3] a job whose only download is bad fails instead of staying open', async () => {
    const bad = endedState(newDownloadId(2_000));
    const job: Record<string, unknown> = {
      ...endedJob(),
      operation: 'model_download',
      state: 'running',
      ended_at: null,
    };
    const download = { hive_id: 'hive-a', download_id: bad.downloadId, download_sse_url: 'x' };
    await startOver((db) => {
      db.prepare('INSERT INTO downloads (download_id, sha256, state) VALUES (?, NULL, ?)').run(bad.downloadId, '{}');
      const snapshot = JSON.stringify({ ...job, downloads: [download] });
      db.prepare('INSERT INTO jobs VALUES (?, ?, ?)').run(String(job['job_id']), '2026', snapshot);
    });
    const state = async () => (await hive?.api('GET', `/v1/jobs/${String(job['job_id'])}`))?.body['state'];
    await expect.poll(state, { timeout: 40_000 }).toBe('failed');
  });
});
