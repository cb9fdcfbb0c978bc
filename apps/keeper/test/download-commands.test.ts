import { EXIT_CODES } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper, startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=x.gguf';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

/** Another client's download, with a quarter of its bytes on disk. */
function addRunning() {
  const { download } = queen.addJob(REF);
  download.progress({ status: 'downloading', bytes: 250, total: 1_000, speed_bps: 100, eta_secs: 8 });
  return download;
}

describe('download show', () => {
  it('shows the known details of a running download, one per line', async () => {
    const download = addRunning();
    download.progress({ max_bandwidth: 50_000_000, priority: 3 });
    const { code, stdout, stderr } = await runKeeper(['download', 'show', download.id.slice(0, -2)], { queen });
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    const rows = new Map(stdout.split('\n').map((line) => line.split(/ {2,}/) as [string, string]));
    expect(Object.fromEntries(rows)).toMatchObject({
      download: download.id,
      model: REF,
      status: 'downloading',
      done: '250 B of 1.0 kB (25.0%)',
      speed: '100 B/s, 8s left',
      hive: 'gpu-1',
      limit: '50.0 MB/s',
      priority: '3',
    });
    expect(['path', 'error', 'ended', 'retry of'].filter((title) => rows.has(title))).toEqual([]);
  });

  it('shows why a download failed, without terminal control codes', async () => {
    const { download } = queen.addJob(REF);
    download.progress({ error: { code: 'DISK_FULL', message: 'the disk is \u001b[2Jfull', hint: 'free some' } });
    download.fail('DISK_FULL', 'the disk is full');
    const { code, stdout } = await runKeeper(['download', 'show', download.id], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toMatch(/^status +failed\n/m);
    expect(stdout).toMatch(/^error +the disk is {2}?\[2Jfull \(DISK_FULL\)\nhint +free some\n/m);
    expect(stdout).toMatch(/^ended +20/m);
  });

  it('prints the snapshot as one line with --json', async () => {
    const download = addRunning();
    const { stdout } = await runKeeper(['download', 'show', download.id, '--json'], { queen });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual({ ...download.snapshot, orchestrator_id: 'queen-1' });
  });

  it('exits with 1 for an unknown id', async () => {
    const { code, stdout } = await runKeeper(['download', 'show', 'abc', '--json'], { queen });
    expect({ code, error: JSON.parse(stdout).error.code }).toEqual({
      code: EXIT_CODES.failed,
      error: 'DOWNLOAD_NOT_FOUND',
    });
  });
});

describe('download pause and download resume', () => {
  it('accept the beginning of an id, show the new state, and change nothing else', async () => {
    const download = addRunning();
    const id = download.id.slice(0, 20);
    const paused = await runKeeper(['download', 'pause', id], { queen });
    expect(paused).toEqual({
      code: EXIT_CODES.done,
      stdout: `${download.id}: paused, 250 B of 1.0 kB\n`,
      stderr: '',
    });
    const resumed = await runKeeper(['download', 'resume', id], { queen });
    expect(resumed).toEqual({
      code: EXIT_CODES.done,
      stdout: `${download.id}: queued, 250 B of 1.0 kB\n`,
      stderr: '',
    });
    const changes = queen.requests.filter(({ method }) => method !== 'GET');
    expect(changes.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST /v1/downloads/${download.id}/pause`,
      `POST /v1/downloads/${download.id}/resume`,
    ]);
  });

  it('print the snapshot as one line with --json', async () => {
    const download = addRunning();
    for (const [verb, status] of [
      ['pause', 'paused'],
      ['resume', 'queued'],
    ] as const) {
      const { stdout } = await runKeeper(['download', verb, download.id, '--json'], { queen });
      expect(JSON.parse(stdout)).toEqual({ ...download.snapshot, status, orchestrator_id: 'queen-1' });
    }
  });

  it('exit with 1 and the message and hint of the server if the status does not allow it', async () => {
    const { download } = queen.addJob(REF);
    download.fail('DISK_FULL', 'the disk is full');
    const { code, stdout, stderr } = await runKeeper(['download', 'resume', download.id], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.failed, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^error: the download ${download.id} is failed \\(STATUS_CONFLICT, .*\\)\nhint: only .*\n$`),
    );
  });
});

describe('a verb whose wish is fulfilled', () => {
  it.each([
    ['pause', 'paused'],
    ['resume', 'downloading'],
    ['resume', 'queued'],
    ['resume', 'complete'],
  ] as const)('[K6] download %s of one that is %s says so and exits with 0', async (verb, status) => {
    const download = addRunning();
    if (status === 'complete') download.complete('/models/x.gguf');
    else download.progress({ status });
    const { code, stdout, stderr } = await runKeeper(['download', verb, download.id], { queen });
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    expect(stdout).toContain(`${download.id}: already ${status}`);
  });

  it.each(['complete', 'failed', 'cancelled'] as const)('[K6] download cancel of one that is %s', async (status) => {
    const { download } = queen.addJob(REF);
    if (status === 'complete') download.complete('/models/x.gguf');
    else if (status === 'failed') download.fail('DISK_FULL', 'the disk is full');
    else download.cancel();
    const { code, stdout } = await runKeeper(['download', 'cancel', download.id], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toContain(`${download.id}: already ${status}`);
  });

  it('[K3] download cancel --discard of one that has ended deletes its partial files', async () => {
    const { download } = queen.addJob(REF);
    download.fail('DISK_FULL', 'the disk is full');
    const { stdout } = await runKeeper(['stop', download.id, '--discard'], { queen });
    expect(stdout).toBe(`${download.id}: already failed, partial files deleted\n`);
  });

  it('[K6] download retry of one that is complete prints its path', async () => {
    const { download } = queen.addJob(REF);
    download.complete('/models/x.gguf');
    const { code, stdout, stderr } = await runKeeper(['download', 'retry', download.id], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: '/models/x.gguf\n' });
    expect(stderr).toContain('is complete already');
    expect(queen.jobs).toHaveLength(1);
  });

  it('[K6] download retry of one that is running follows it', async () => {
    const download = addRunning();
    const keeper = await startKeeper(['download', 'retry', download.id], { queen });
    await keeper.waitFor(() => keeper.stderr().includes('needs no retry'), 'the note');
    download.complete('/models/x.gguf');
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stdout()).toBe('/models/x.gguf\n');
  });
});

describe('several downloads', () => {
  it('are changed by one command: each result is shown, and a failure does not stop the rest', async () => {
    const [a, b] = [addRunning(), addRunning()];
    const unknown = 'dl-01999c3a-4f2b-7000-8000-000000000000';
    const { code, stdout, stderr } = await runKeeper(['download', 'pause', a.id, unknown, b.id], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stdout).toBe([a, b].map(({ id }) => `${id}: paused, 250 B of 1.0 kB\n`).join(''));
    expect(stderr).toContain(unknown);
    expect(stderr).toContain('1 of 3 failed\n');
  });

  it.each([
    ['pause', 'downloading', 'paused'],
    ['resume', 'paused', 'queued'],
    ['cancel', 'downloading', 'cancelled'],
  ] as const)('download %s --all changes all that are %s', async (verb, before, after) => {
    const downloads = [addRunning(), addRunning()];
    for (const download of downloads) download.progress({ status: before });
    const { download: ended } = queen.addJob(REF);
    ended.complete('/models/x.gguf');
    const { code, stderr } = await runKeeper(['download', verb, '--all'], { queen });
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: 'all 2 done\n' });
    expect(downloads.map(({ snapshot }) => snapshot.status)).toEqual([after, after]);
    expect(ended.snapshot.status).toBe('complete');
  });

  it('are retried with --all, but not the ones that were retried before', async () => {
    const { download: first } = queen.addJob(REF);
    first.fail('DISK_FULL', 'the disk is full');
    const once = await runKeeper(['download', 'retry', '--all', '--detach'], { queen });
    expect(once.stdout.trim().split('\n')).toHaveLength(1);
    const again = await runKeeper(['download', 'retry', '--all', '--detach'], { queen });
    expect(again).toMatchObject({ code: EXIT_CODES.done, stdout: '' });
    expect(again.stderr).toContain('no failed download to retry');
  });

  it.each(['pause', 'resume', 'cancel', 'retry'])('have to be named for %s, or all of them', async (verb) => {
    const { code, stderr } = await runKeeper(['download', verb], { queen });
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('--all');
    expect((await runKeeper(['download', verb, 'dl-0', '--all'], { queen })).code).toBe(EXIT_CODES.usage);
    expect(queen.requests).toEqual([]);
  });
});

describe('download limit and download priority', () => {
  it('change downloads that have not ended', async () => {
    const download = addRunning();
    const limited = await runKeeper(['download', 'limit', download.id, '--max-bandwidth', '5MB/s'], { queen });
    expect(limited).toMatchObject({ code: EXIT_CODES.done, stdout: `${download.id}: limited to 5.0 MB/s\n` });
    const unlimited = await runKeeper(['download', 'limit', '--all', '--max-bandwidth', '0'], { queen });
    expect(unlimited.stdout).toBe(`${download.id}: unlimited\n`);
    const first = await runKeeper(['download', 'priority', download.id, '-5'], { queen });
    expect(first).toMatchObject({ code: EXIT_CODES.done, stdout: `${download.id}: priority -5\n` });
    const bodies = queen.requests.filter(({ method }) => method === 'PATCH').map(({ body }) => body);
    expect(bodies).toEqual([{ max_bandwidth: 5_000_000 }, { max_bandwidth: null }, { priority: -5 }]);
  });

  it('say so if it has ended', async () => {
    const { download } = queen.addJob(REF);
    download.complete('/models/x.gguf');
    const { code, stderr } = await runKeeper(['download', 'priority', download.id, '1'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('a download that has ended cannot be changed');
  });

  it.each([
    ['high', 'download priority dl-0 high'],
    ['1.5', 'download priority dl-0 1.5'],
    ['no number', 'download priority --all'],
  ])('%s is no priority', async (_, line) => {
    const { code, stdout } = await runKeeper(line.split(' '), { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.usage, stdout: '' });
  });
});

describe('ps', () => {
  it('lists the downloads that have not ended, and -o wide shows whole ids', async () => {
    queen.addJob(REF).download.complete('/models/x.gguf');
    const running = addRunning();
    const { stdout } = await runKeeper(['ps', '-o', 'wide'], { queen });
    expect(stdout.trim().split('\n')).toHaveLength(2);
    expect(stdout).toContain(running.id);
    const json = await runKeeper(['ps', '-o', 'json'], { queen });
    expect(JSON.parse(json.stdout).downloads).toMatchObject([{ download_id: running.id }]);
  });
});

describe('download clear', () => {
  it('removes ended downloads, prints their number, and keeps running ones', async () => {
    queen.addJob(REF).download.complete('/models/x.gguf');
    queen.addJob(REF).download.fail('DISK_FULL', 'the disk is full');
    const running = addRunning();
    const cleared = await runKeeper(['download', 'clear'], { queen });
    expect(cleared).toEqual({ code: EXIT_CODES.done, stdout: 'removed 2 downloads from the history\n', stderr: '' });
    const { stdout } = await runKeeper(['download', 'list', '--json'], { queen });
    expect(JSON.parse(stdout).downloads).toMatchObject([{ download_id: running.id }]);
    const again = await runKeeper(['download', 'clear'], { queen });
    expect(again.stdout).toBe('removed no downloads from the history\n');
  });

  it('filters by status and age, and prints the result as one line with --json', async () => {
    queen.addJob(REF).download.complete('/models/x.gguf');
    queen.addJob(REF).download.cancel();
    const one = await runKeeper(['download', 'clear', '--status', 'cancelled', '--json'], { queen });
    expect(one.stdout).toBe('{"removed":1,"problems":[]}\n');
    const none = await runKeeper(['download', 'clear', '--status', 'complete', '--older-than', '7d', '--json'], {
      queen,
    });
    expect(none.stdout).toBe('{"removed":0,"problems":[]}\n');
    const queries = queen.requests.filter(({ method }) => method === 'DELETE').map(({ query }) => query);
    expect(queries).toEqual([{ status: 'cancelled' }, { status: 'complete', older_than: '7d' }]);
  });
});
