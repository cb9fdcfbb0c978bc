import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Job, newDownloadId, newJobId } from '@rbee/contract';
import { openStateDb } from '@rbee/daemon';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STATE_MIGRATIONS } from '../../src/state/state.ts';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';

// Goal: a damaged state costs what is damaged, and never the start. Method: real queens over a file with one fault between
// good rows. Failure shows as a queen that does not start, or that starts without the good rows.

let folder: TempDir;
let queen: RunningQueen | null;
beforeEach(async () => {
  folder = await tempDir();
  queen = null;
});
afterEach(async () => {
  await queen?.close();
  await folder.remove();
});

const path = () => join(folder.path, 'state', 'queen.sqlite');
const open = () => openStateDb(path(), { migrations: STATE_MIGRATIONS, onDamage: () => {} });

function endedJob(): Job {
  const job_id = newJobId();
  return {
    ...{ job_id, operation: 'model_list', state: 'completed', model: null, sse_url: `/v1/jobs/${job_id}/stream` },
    ...{ created_at: '2026-01-01T00:00:00.000Z', ended_at: '2026-01-01T00:00:01.000Z', downloads: [], error: null },
  };
}

/** Starts a queen over one good job and hive, and what `add` puts beside them. */
async function startOver(add: (db: ReturnType<typeof open>) => void): Promise<void> {
  const db = open();
  const good = endedJob();
  db.prepare('INSERT INTO jobs VALUES (?, ?, ?, NULL)').run(good.job_id, good.created_at, JSON.stringify(good));
  db.prepare('INSERT INTO hives VALUES (?, ?, NULL)').run('hive-good', 'http://127.0.0.1:1');
  add(db);
  db.close();
  queen = await queenIn(folder.path);
  const jobs = (await api('GET', `${queen.url}/v1/jobs`)).body['jobs'] as Job[];
  expect(jobs.map(({ job_id }) => job_id)).toContain(good.job_id);
  const { hives } = (await api('GET', `${queen.url}/v1/hives`)).body as { hives: { hive_id: string }[] };
  expect(hives.map(({ hive_id }) => hive_id)).toContain('hive-good');
}

async function expectSetAside(row: string): Promise<void> {
  const text = await (await fetch(`${queen?.url}/metrics`)).text();
  expect(text).toMatch(/^rbee_state_bad_rows_total 1$/m);
  await queen?.close();
  queen = null;
  const db = open();
  expect(db.prepare('SELECT row FROM bad_rows').all()).toEqual([{ row }]);
  db.close();
}

describe('a state with one bad row', () => {
  it.each([
    ['is no JSON', () => 'not json'],
    ['is an empty object', () => '{}'],
    ['has a state of a later version', (job: Job) => JSON.stringify({ ...job, state: 'frozen' })],
    ['has ended without a time', (job: Job) => JSON.stringify({ ...job, ended_at: null })],
    ['runs, with a time of its end', (job: Job) => JSON.stringify({ ...job, state: 'running' })],
    ['has the id of another', (job: Job) => JSON.stringify({ ...job, job_id: newJobId() })],
    ['has malformed downloads', (job: Job) => JSON.stringify({ ...job, downloads: [{}] })],
    ['is cut', (job: Job) => JSON.stringify(job).slice(0, 50)],
  ])('[L8] a job that %s: the queen starts with the others', async (_, text) => {
    const bad = endedJob();
    await startOver((db) =>
      db.prepare('INSERT INTO jobs VALUES (?, ?, ?, NULL)').run(bad.job_id, bad.created_at, text(bad)),
    );
    await expectSetAside(`job ${bad.job_id}`);
  });

  it.each([
    ['a route', `INSERT INTO jobs VALUES (:job, '2026', :snapshot, '{"legs":1}')`, 'route :job'],
    ['a hive without a URL', `INSERT INTO hives VALUES ('bad', 'nowhere', NULL)`, 'hive bad'],
    ['a hive of another protocol', `INSERT INTO hives VALUES ('bad', 'ftp://h', NULL)`, 'hive bad'],
    ['a hive with an impossible name', `INSERT INTO hives VALUES ('../bad', 'http://h', NULL)`, 'hive ../bad'],
    ['a time before all time', `INSERT INTO hives VALUES ('bad', 'http://h', -1)`, 'hive bad'],
    ['limits that are no JSON', `INSERT INTO limits VALUES ('bad', 'x')`, 'limits bad'],
    ['limits of another kind', `INSERT INTO limits VALUES ('bad', '{"wanted":[]}')`, 'limits bad'],
    ['a placement without a download', `INSERT INTO placements VALUES ('x', 'hive-good', 0)`, 'placement x'],
    ['a placement without a hive', `INSERT INTO placements VALUES (:download, '', 0)`, 'placement :download'],
    ['a cancel without a job', `INSERT INTO cancels VALUES ('x', 'hive-good', 'keep')`, 'cancel x hive-good'],
    ['a cancel of another kind', `INSERT INTO cancels VALUES (:job, 'hive-good', 'burn')`, 'cancel :job hive-good'],
  ])('[L8] %s: the queen starts with the others', async (_, sql, row) => {
    const job = endedJob();
    const download = newDownloadId();
    const values = { job: job.job_id, snapshot: JSON.stringify(job), download };
    await startOver((db) => {
      const used = Object.entries(values).filter(([name]) => sql.includes(`:${name}`));
      db.prepare(sql).run(Object.fromEntries(used));
    });
    await expectSetAside(row.replace(':job', job.job_id).replace(':download', download));
  });

  it('[L8] a job under way without a route ends instead of staying open', async () => {
    const job = { ...endedJob(), state: 'running' as const, ended_at: null };
    await startOver((db) =>
      db.prepare('INSERT INTO jobs VALUES (?, ?, ?, NULL)').run(job.job_id, job.created_at, JSON.stringify(job)),
    );
    const state = async () => (await api('GET', `${queen?.url}/v1/jobs/${job.job_id}`)).body['state'];
    await expect.poll(state).toBe('failed');
  });
});

describe('a damaged state file', () => {
  it.each([
    ['a damaged page', (bytes: Buffer) => bytes.fill(0xa5, bytes.length - 4096)],
    ['a damaged header', (bytes: Buffer) => bytes.fill(0xff, 16, 40)],
    ['something else', (bytes: Buffer) => bytes.fill('hello ')],
  ])('[L8] with %s is moved aside, and the queen starts', async (_, spoil) => {
    await startOver(() => {});
    await queen?.close();
    const bytes = readFileSync(path());
    spoil(bytes);
    writeFileSync(path(), bytes);
    queen = await queenIn(folder.path);
    expect((await api('GET', `${queen.url}/v1/jobs`)).body).toEqual({ jobs: [] });
    expect(await readdir(join(folder.path, 'state'))).toContainEqual(expect.stringMatching(/\.damaged-\d+$/));
  });

  it('[L8] that was cut is moved aside, and the queen starts', async () => {
    await startOver(() => {});
    await queen?.close();
    truncateSync(path(), 9_000);
    queen = await queenIn(folder.path);
    expect((await api('GET', `${queen.url}/v1/hives`)).body).toEqual({ hives: [] });
  });
});

describe('a start that fails', () => {
  it('[K13] over jobs that are under way says so without waiting for them', async () => {
    const job = { ...endedJob(), operation: 'model_download', state: 'running' as const, ended_at: null };
    const download = { hive_id: 'hive-good', download_id: newDownloadId(), download_sse_url: '/d' };
    const route = { request: 'r', many: false, why: 'w', legs: [{ hive_id: 'hive-good', refusal: null }] };
    await startOver((db) => {
      const snapshot = JSON.stringify({ ...job, downloads: [download] });
      db.prepare('INSERT INTO jobs VALUES (?, ?, ?, ?)').run(
        job.job_id,
        job.created_at,
        snapshot,
        JSON.stringify(route),
      );
      db.prepare('INSERT INTO placements VALUES (?, ?, 0)').run(download.download_id, 'hive-good');
    });
    await queen?.close();
    queen = null;
    // A hive that accepts connections and is silent.
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const db = open();
    db.prepare('UPDATE hives SET hive_url = ?').run(`http://127.0.0.1:${port}`);
    db.close();
    await expect(queenIn(folder.path, { RBEE_QUEEN_PORT: String(port) })).rejects.toThrow(/EADDRINUSE/);
    silent.close();
  });
});
