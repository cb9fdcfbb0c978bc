import { EXIT_CODES } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeDownload } from './support/fake-job.ts';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { openKeeper, runKeeper, startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=x.gguf';

let queen: FakeQueen;
let cancelled: FakeDownload;
beforeEach(async () => {
  queen = await startFakeQueen();
  const { job, download } = queen.addJob(REF);
  cancelled = download;
  cancelled.progress({ status: 'downloading', bytes: 250, total: 1_000 });
  cancelled.cancel();
  job.end({ state: 'cancelled' });
});
afterEach(() => queen.close());

describe('download retry', () => {
  it('follows the new download to its end and prints only the path on stdout', async () => {
    const keeper = await startKeeper(['download', 'retry', cancelled.id.slice(0, -1)], { queen });
    const { job, download } = await queen.waitForJob(1);
    download.progress({ status: 'downloading', bytes: 250, total: 1_000 });
    await keeper.waitFor(() => keeper.stderr().includes('x.gguf: downloading, 250 B of 1.0 kB'), 'the bytes');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stdout()).toBe('/models/x.gguf\n');
    expect(download.snapshot.retry_of).toBe(cancelled.id);
  });

  it('shows a bar in a terminal', async () => {
    const terminal: TestTerminal = openKeeper(['download', 'retry', cancelled.id], { queen });
    const { job, download } = await queen.waitForJob(1);
    download.progress({ status: 'downloading', bytes: 250, total: 1_000, speed_bps: 100, eta_secs: 8 });
    await terminal.waitFor(() => /^x\.gguf .* 25\.0% .* 100 B\/s +8s$/m.test(terminal.screen()), 'the bar');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.screen()).toMatch(/ done\n\/models\/x\.gguf$/);
  });

  it('exits with the code of the new download', async () => {
    queen.onJob = (job) => {
      job.downloads[0]?.fail('DISK_FULL', 'the disk is full', { hint: 'free some' });
      job.end({ state: 'failed', message: 'the disk is full' });
    };
    const { code, stderr } = await runKeeper(['download', 'retry', cancelled.id], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('error: x.gguf: the disk is full (DISK_FULL)\nhint: free some\n');
  });

  it('with --detach prints only the new id on stdout and keeps it running', async () => {
    const { code, stdout } = await runKeeper(['download', 'retry', cancelled.id, '--detach'], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toBe(`${queen.jobs[1]?.downloads[0]?.id}\n`);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });

  it('prints one event per line with --json', async () => {
    queen.onJob = (job) => {
      job.downloads[0]?.complete('/models/x.gguf');
      job.end({ state: 'completed' });
    };
    const { stdout } = await runKeeper(['download', 'retry', cancelled.id, '--json'], { queen });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ event: 'accepted', model: REF, data: { job_id: queen.jobs[1]?.id } });
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['complete', 'end']));
  });

  it('cancels the new job on an interrupt, shows what was kept and exits with 130', async () => {
    const keeper = await startKeeper(['download', 'retry', cancelled.id], { queen });
    const { job, download } = await queen.waitForJob(1);
    download.progress({ status: 'downloading', bytes: 412_500_000, total: 637_800_000 });
    await keeper.waitFor(() => keeper.stderr().includes('downloading'), 'the first bytes');
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect((await queen.waitForRequest('DELETE', /./)).path).toBe(`/v1/jobs/${job.id}`);
    expect(keeper.stderr()).toContain('cancelling; press Ctrl+C again to exit immediately\n');
    expect(keeper.stderr()).toContain('x.gguf: cancelled, 412.5 MB kept; run the same command again to resume\n');
  });

  it('reports that a download may have started if the queen never responds before an interrupt', async () => {
    queen.refuses = ({ path }) => (path.endsWith('/retry') ? 'silence' : null);
    const keeper = await startKeeper(['download', 'retry', cancelled.id], { queen });
    await queen.waitForRequest('POST', /retry$/);
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.stderr()).toContain('(no response to the start)');
    expect(keeper.stderr()).toContain('hint: the download may have started: check "rbee-keeper download list"\n');
  });
});
