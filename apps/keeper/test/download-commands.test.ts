import { EXIT_CODES } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper } from './support/keeper.ts';

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

  it.each(['resume', 'retry'])(
    'exit with 1 and the message and hint of the server if the status does not allow it: %s',
    async (verb) => {
      const download = addRunning();
      const { code, stdout, stderr } = await runKeeper(['download', verb, download.id], { queen });
      expect({ code, stdout }).toEqual({ code: EXIT_CODES.failed, stdout: '' });
      expect(stderr).toMatch(
        new RegExp(`^error: the download ${download.id} is downloading \\(STATUS_CONFLICT, .*\\)\nhint: only .*\n$`),
      );
    },
  );
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
