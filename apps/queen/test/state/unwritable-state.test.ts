import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newJobId } from '@rbee/contract';
import { openStateDb } from '@rbee/daemon';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { STATE_MIGRATIONS } from '../../src/state/state.ts';
import { completeOf } from '../support/events.ts';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';
import { openFleet, type ScriptedHive, scriptedHive } from '../support/scripted-hive.ts';

// Goal: a state that cannot be written costs what a restart would have remembered, and nothing else. Method: real queens
// over a state whose writes fail, one kind at a time (a trigger of SQLite refuses it), and over disks that are full or
// read-only. Failure shows as a queen that ends, a job that stays open, a request without a response, or a download that
// runs for nobody.

vi.setConfig({ testTimeout: 60_000 });

let folder: TempDir;
let hive: ScriptedHive;
let queen: RunningQueen | null;
beforeEach(async () => {
  folder = await tempDir();
  hive = await scriptedHive('hive-a');
  queen = null;
});
afterEach(async () => {
  await queen?.close();
  await hive.close();
  await folder.remove();
});

const stateFolder = () => join(folder.path, 'state');

async function start(): Promise<void> {
  queen = await queenIn(folder.path);
  await openFleet(queen.url, hive);
}

/** A state that refuses what the trigger says. */
async function startWith(trigger: string): Promise<void> {
  const path = join(stateFolder(), 'queen.sqlite');
  const db = openStateDb(path, { migrations: STATE_MIGRATIONS, onDamage: () => {} });
  db.exec(`CREATE TRIGGER full BEFORE ${trigger} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
  db.close();
  await start();
}

const post = (job_id = newJobId()) => {
  hive.accepts(job_id);
  return api('POST', `${queen?.url}/v1/jobs`, { operation: 'model_download', model: 'hf:org/repo::file=x', job_id });
};
const stateOf = async (id: string) => (await api('GET', `${queen?.url}/v1/jobs/${id}`)).body['state'];

/** From the request to the end, with both streams and a second download that is cancelled. */
async function expectAllWorks(): Promise<void> {
  const first = hive.accepts(newJobId());
  expect((await post(first.jobId)).status).toBe(202);
  const streams = [`jobs/${first.jobId}`, `downloads/${first.downloadId}`].map((path) =>
    fetch(`${queen?.url}/v1/${path}/stream`).then((response) => response.text()),
  );
  first.progress.publish({ event: 'complete', data: completeOf(first.downloadId) }, 'terminal');
  first.narration.publish({ data: '[DONE]' }, 'terminal');
  const [narration, progress] = await Promise.all(streams);
  expect(narration).toContain('data: [DONE]');
  expect(progress?.match(/^event: ?(complete|error|cancelled)$/gm)).toHaveLength(1);
  expect(await stateOf(first.jobId)).toBe('completed');

  const second = hive.accepts(newJobId());
  expect((await post(second.jobId)).status).toBe(202);
  const { status, body } = await api('DELETE', `${queen?.url}/v1/jobs/${second.jobId}`);
  expect([status, body['status']]).toEqual([200, 'cancelled']);
  expect((await api('PATCH', `${queen?.url}/v1/hives/hive-a`, { max_bandwidth: '1MB/s' })).status).toBe(200);
}

/** Whatever happens, requests are answered, and nothing is left of what was refused. */
async function expectRefusals(): Promise<void> {
  const before = hive.posts();
  for (let times = 0; times < 3; times += 1) {
    const { jobId } = hive.accepts(newJobId());
    const { status, body } = await post(jobId);
    expect([status, (body['error'] as { code: string }).code]).toEqual([503, 'STATE_UNAVAILABLE']);
    expect((await api('GET', `${queen?.url}/v1/jobs/${jobId}`)).status).toBe(404);
    expect((await api('DELETE', `${queen?.url}/v1/jobs/${jobId}`)).status).toBe(404);
  }
  expect(hive.posts()).toBe(before);
}

describe('a state that refuses one kind of write', () => {
  it.each([
    ['the end of a job', `INSERT ON jobs WHEN NEW.snapshot NOT LIKE '%"ended_at":null%'`],
    ['a job that runs', `INSERT ON jobs WHEN NEW.snapshot LIKE '%"state":"running"%'`],
    ['the removal of a job', 'DELETE ON jobs'],
    ['a placement', 'INSERT ON placements'],
    ['the end of a placement', 'UPDATE ON placements'],
    ['a hive', 'INSERT ON hives'],
    ['a change of a hive', 'UPDATE ON hives'],
    ['limits', 'INSERT ON limits'],
    ['a cancel that waits', 'INSERT ON cancels'],
    ['a cancel that is delivered', 'DELETE ON cancels'],
  ])('[L2] %s: everything works', async (_, trigger) => {
    await startWith(trigger);
    await expectAllWorks();
  });

  it('[L2] the making of a job: no hive hears of it, and nothing is left', async () => {
    await startWith(`INSERT ON jobs WHEN NEW.snapshot LIKE '%"state":"queued"%'`);
    await expectRefusals();
  });

  it('[L2] a cancel of a hive that is away: it is kept in memory, and delivered', async () => {
    await startWith('INSERT ON cancels');
    const { jobId } = hive.accepts(newJobId());
    await post(jobId);
    hive.breakCancels();
    const { body } = await api('DELETE', `${queen?.url}/v1/jobs/${jobId}`);
    expect(body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'unreachable' }] });
    hive.mendCancels();
    await expect.poll(() => hive.cancelled(), { timeout: 30_000 }).toContain(jobId);
  });

  it('[L2] a hive that goes away: the queen stays', async () => {
    await startWith('UPDATE ON hives');
    await hive.close();
    const online = async () =>
      (((await api('GET', `${queen?.url}/v1/hives`)).body['hives'] as { online: boolean }[])[0] ?? { online: null })
        .online;
    await expect.poll(online, { timeout: 30_000 }).toBe(false);
    expect((await api('GET', `${queen?.url}/health`)).status).toBe(200);
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

describe.skipIf(!canMount)('a state on a disk', () => {
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  beforeEach(() => {
    mkdirSync(stateFolder());
    mount('-t', 'tmpfs', '-o', 'size=1m', 'none', stateFolder());
  });
  afterEach(() => {
    execFileSync('umount', ['--lazy', stateFolder()], { stdio: 'ignore' });
  });
  const fill = (without = 0) => {
    const { bavail, bsize } = statfsSync(stateFolder());
    writeFileSync(join(stateFolder(), 'filler'), Buffer.alloc((bavail - without) * bsize));
  };
  const empty = () => rmSync(join(stateFolder(), 'filler'));
  const unsaved = async () => {
    const text = await (await fetch(`${queen?.url}/metrics`)).text();
    return Number(/^rbee_state_unsaved_rows (\d+)$/m.exec(text)?.[1]);
  };

  it('[L2] that is full: new downloads are refused before a hive hears of them, until there is space', async () => {
    await start();
    fill();
    await expectRefusals();
    empty();
    await expectAllWorks();
  });

  it.each([1, 2, 3])('[L2] with room for %i pages: each request is answered, and no job stays open', async (pages) => {
    await start();
    fill(pages);
    const answers = await Promise.all(Array.from({ length: 5 }, () => post()));
    for (const { status } of answers) expect([202, 503]).toContain(status);
    const jobs = (await api('GET', `${queen?.url}/v1/jobs`)).body['jobs'] as { job_id: string }[];
    expect(jobs).toHaveLength(answers.filter(({ status }) => status === 202).length);
    for (const { job_id } of jobs)
      expect((await api('DELETE', `${queen?.url}/v1/jobs/${job_id}`)).body['status']).toBe('cancelled');
    empty();
    await expectAllWorks();
  });

  it('[L2] that fills up during a download: it ends as its hive says, and is remembered when there is space', async () => {
    await start();
    const { jobId, downloadId, progress, narration } = hive.accepts(newJobId());
    await post(jobId);
    fill();
    progress.publish({ event: 'complete', data: completeOf(downloadId) }, 'terminal');
    narration.publish({ data: '[DONE]' }, 'terminal');
    await expect.poll(() => stateOf(jobId)).toBe('completed');
    expect(await unsaved()).toBeGreaterThan(0);
    empty();
    await expect.poll(unsaved, { timeout: 30_000 }).toBe(0);
    await queen?.close();
    await start();
    expect(await stateOf(jobId)).toBe('completed');
  });

  it('[L2] that is read-only: the queen says so, names the folder, and starts when it is not', async () => {
    await start();
    await queen?.close();
    queen = null;
    mount('-o', 'remount,ro', stateFolder());
    await expect(queenIn(folder.path)).rejects.toThrow(
      new RegExp(`^cannot use the state folder ${stateFolder()}: .*; make the folder writable, free disk space`),
    );
    mount('-o', 'remount,rw', stateFolder());
    await start();
    await expectAllWorks();
  });
});
