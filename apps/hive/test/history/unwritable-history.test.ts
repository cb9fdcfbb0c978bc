import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStateDb } from '@rbee/daemon';
import { startHub, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HISTORY_MIGRATIONS } from '../../src/history/history.ts';
import { startTestHive, type TestHive } from '../models/support.ts';

// Goal: a history that cannot be written costs what it would have remembered, and nothing else. Method: real hives over a
// history whose writes fail, one kind at a time (a trigger of SQLite refuses it), and over disks that are full or
// read-only. Failure shows as a stream without its one terminal event, a good file that is reported as an error, or a job
// that stays open.

const REF = 'hf:org/models::file=a.gguf';
const SIZE = 300_000;
vi.setConfig({ testTimeout: 60_000 });
const POLL = { timeout: 40_000 } as const;

let state: TempDir;
let hive: TestHive;
beforeEach(async () => {
  state = await tempDir();
});
afterEach(async () => {
  await hive.close();
  await state.remove();
});

async function start(folder: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  hive = await startTestHive({ RBEE_HIVE_STATE_DIR: folder, RBEE_HIVE_MAX_OPEN_JOBS: '3', ...env });
  hive.hub.addRepo({ id: 'org/models', files: { 'a.gguf': { size: SIZE, seed: 1 } } });
}

/** A history that refuses what the trigger says. */
async function startWith(trigger: string): Promise<void> {
  const db = openStateDb(join(state.path, 'hive.sqlite'), { migrations: HISTORY_MIGRATIONS, onDamage: () => {} });
  db.exec(`CREATE TRIGGER full BEFORE ${trigger} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
  db.close();
  await start(state.path);
}

const accept = (model = REF) => hive.api('POST', '/v1/jobs', { operation: 'model_download', model });

/** Names of the events of a stream, read to its end. */
async function eventsOf(path: unknown): Promise<string[]> {
  const text = await (await fetch(`${hive.url}${String(path)}`)).text();
  return [...text.matchAll(/^event: ?(.*)$/gm)].map(([, name]) => name ?? '');
}

const terminal = (names: readonly string[]) =>
  names.filter((name) => ['complete', 'error', 'cancelled'].includes(name));

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${hive.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function expectCompletes(): Promise<void> {
  const { status, body } = await accept();
  expect(status).toBe(202);
  expect(terminal(await eventsOf(body['download_sse_url']))).toEqual(['complete']);
  expect(await (await fetch(`${hive.url}${String(body['sse_url'])}`)).text()).toContain('data: [DONE]');
  expect((await hive.api('GET', `/v2/downloads/${String(body['download_id'])}`)).body).toMatchObject({
    status: 'complete',
    bytes: SIZE,
    error: null,
  });
  expect((await hive.api('GET', `/v1/jobs/${String(body['job_id'])}`)).body['state']).toBe('completed');
}

/** Refused as often as one likes: nothing of it stays that could fill `max-open-jobs`. */
async function expectRefusals(): Promise<void> {
  for (let times = 0; times < 5; times += 1) {
    const { status, body } = await accept();
    expect(status).toBe(503);
    expect(body['error']).toMatchObject({ code: 'STATE_UNAVAILABLE', hint: expect.stringContaining('state folder') });
  }
  expect((await hive.api('GET', '/v1/jobs')).body).toEqual({ jobs: [] });
  expect((await hive.api('GET', '/v2/downloads')).body['downloads']).toEqual([]);
  // What needs no history works.
  expect((await hive.run({ operation: 'model_list' })).end).toBe('[DONE]');
}

const onStatus = (status: string) => `UPDATE ON downloads WHEN NEW.state LIKE '%"status":"${status}"%'`;
const onJob = (stateOfJob: string) => `INSERT ON jobs WHEN NEW.snapshot LIKE '%"state":"${stateOfJob}"%'`;

describe('a history that refuses one kind of write', () => {
  it.each([
    ['the making of a job', 'INSERT ON jobs WHEN NEW.snapshot LIKE \'%model_download%"state":"queued"%\''],
    ['the making of a download', 'INSERT ON downloads'],
  ])('[F2] %s: the request is refused, and nothing is left', async (_, trigger) => {
    await startWith(trigger);
    await expectRefusals();
  });

  it.each([
    ['a job that runs', onJob('running')],
    ['a job that completes', onJob('completed')],
    ['a job that ends', 'INSERT ON jobs WHEN NEW.snapshot NOT LIKE \'%"ended_at":null%\''],
    ['a download that starts', onStatus('starting')],
    ['a download that flows', onStatus('downloading')],
    ['a download that verifies', onStatus('verifying')],
    ['a download that completes', onStatus('complete')],
    ['every change of a download', 'UPDATE OF state ON downloads'],
    ['the content of a download', 'UPDATE OF content ON downloads'],
    ['a removal', 'DELETE ON downloads'],
  ])('[F2] %s: the download completes, with one terminal event', async (_, trigger) => {
    await startWith(trigger);
    await expectCompletes();
  });

  it('[F2] a download that fails: one error, and the job fails with it', async () => {
    await startWith(onStatus('failed'));
    const { body } = await accept('hf:org/models::file=missing.gguf');
    expect(terminal(await eventsOf(body['download_sse_url']))).toEqual(['error']);
    expect((await hive.api('GET', `/v1/jobs/${String(body['job_id'])}`)).body['state']).toBe('failed');
  });

  it('[F2] a download that is paused, resumed and cancelled: each answers, and it ends once', async () => {
    await startWith('UPDATE OF state ON downloads');
    hive.hub.throttle(0);
    const { body } = await accept();
    const path = `/v2/downloads/${String(body['download_id'])}`;
    const events = eventsOf(body['download_sse_url']);
    expect((await hive.api('POST', `${path}/pause`)).body['status']).toBe('paused');
    expect((await hive.api('POST', `${path}/resume`)).status).toBe(200);
    expect((await hive.api('PATCH', path, { priority: 3 })).body['priority']).toBe(3);
    expect((await hive.api('DELETE', `/v1/jobs/${String(body['job_id'])}`)).body['status']).toBe('cancelled');
    expect(terminal(await events)).toEqual(['cancelled']);
  });

  it('[F2] a removal from the history: it is forgotten', async () => {
    await startWith('DELETE ON downloads');
    const { body } = await accept();
    await eventsOf(body['download_sse_url']);
    const path = `/v2/downloads/${String(body['download_id'])}`;
    expect((await hive.api('DELETE', path)).status).toBe(200);
    expect((await hive.api('GET', path)).status).toBe(404);
    await expect.poll(() => metric('rbee_history_unsaved_rows'), { timeout: 20_000 }).toBe(1);
  });

  it('[F2] metrics count what could not be written', async () => {
    await startWith('UPDATE OF state ON downloads');
    expect(await metric('rbee_history_write_failures_total')).toBe(0);
    await expectCompletes();
    expect(await metric('rbee_history_write_failures_total')).toBeGreaterThan(0);
    await expect.poll(() => metric('rbee_history_unsaved_rows'), { timeout: 20_000 }).toBe(1);
  });
});

const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!canMount)('a history on a disk', () => {
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  const onDisk = () => join(state.path, 'disk');
  beforeEach(() => {
    mkdirSync(onDisk());
    mount('-t', 'tmpfs', '-o', 'size=1m', 'none', onDisk());
  });
  afterEach(() => {
    execFileSync('umount', ['--lazy', onDisk()], { stdio: 'ignore' });
  });
  const fill = () => {
    const { bavail, bsize } = statfsSync(onDisk());
    writeFileSync(join(onDisk(), 'filler'), Buffer.alloc(bavail * bsize));
  };

  it('[F2] that is full: new downloads are refused until there is space', async () => {
    await start(onDisk());
    fill();
    await expectRefusals();
    rmSync(join(onDisk(), 'filler'));
    await expectCompletes();
  });

  it('[F2] that fills up during a download: it completes, and the history follows when there is space', async () => {
    await start(onDisk());
    hive.hub.throttle(0);
    const { body } = await accept();
    const events = eventsOf(body['download_sse_url']);
    const status = async () => (await hive.api('GET', `/v2/downloads/${String(body['download_id'])}`)).body['status'];
    await expect.poll(status, POLL).toBe('downloading');
    fill();
    hive.hub.throttle(null);
    expect(terminal(await events)).toEqual(['complete']);
    rmSync(join(onDisk(), 'filler'));
    await expectCompletes();
    await expect.poll(() => metric('rbee_history_unsaved_rows'), { timeout: 20_000 }).toBe(0);
  });

  it('[F2] that is full when the hive starts again: the download resumes and completes', async () => {
    // One hub for both runs of the hive.
    const hub = await startHub();
    hub.addRepo({ id: 'org/models', files: { 'a.gguf': { size: SIZE, seed: 1 } } });
    await start(onDisk(), { HF_ENDPOINT: hub.url });
    hub.throttle(0);
    const { body } = await accept();
    fill();
    await hive.close();
    hub.throttle(null);
    await start(onDisk(), { HF_ENDPOINT: hub.url });
    const path = `/v2/downloads/${String(body['download_id'])}`;
    await expect.poll(async () => (await hive.api('GET', path)).body['status'], POLL).toBe('complete');
    await hub.close();
  });
});
