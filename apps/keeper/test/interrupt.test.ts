import { EXIT_CODES } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=x.gguf';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

async function startDownload(words: readonly string[] = []) {
  const keeper = await startKeeper(['pull', REF, ...words], { queen });
  const started = await queen.waitForJob(0);
  started.download.progress({ status: 'downloading', bytes: 412_500_000, total: 637_800_000 });
  await keeper.waitFor(() => /downloading/.test(keeper.stdout() + keeper.stderr()), 'the first bytes');
  return { keeper, ...started };
}

describe('an interrupt of a download', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s cancels the job, shows what was kept and exits with 130',
    async (signal) => {
      const { keeper, job } = await startDownload();
      expect(await keeper.stop(signal)).toBe(EXIT_CODES.interrupted);
      expect((await queen.waitForRequest('DELETE', /./)).path).toBe(`/v1/jobs/${job.id}`);
      expect(keeper.stderr()).toContain('cancelling; press Ctrl+C again to exit immediately\n');
      expect(keeper.stderr()).toContain('x.gguf: cancelled, 412.5 MB kept; run the same command again to resume\n');
      expect(keeper.stderr().match(/cancelled/g)).toHaveLength(1);
      expect(keeper.stdout()).toBe('');
    },
  );

  it('cancels every job that the command started', async () => {
    const keeper = await startKeeper(['pull', REF, 'org/other'], { queen });
    await queen.waitForJob(1);
    await keeper.waitFor(() => keeper.stderr().match(/queued/g)?.length === 2, 'both');
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    const cancelled = queen.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path);
    expect(cancelled.sort()).toEqual(queen.jobs.map(({ id }) => `/v1/jobs/${id}`).sort());
  });

  it('prints receipts as events with --json', async () => {
    const { keeper, job } = await startDownload(['--json']);
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    const receipt = keeper.lines.find(({ json }) => json?.event === 'receipt');
    expect(receipt?.json?.data).toMatchObject({ job_id: job.id, downloads: [{ state: 'stopped', partial: 'kept' }] });
  });

  it('exits immediately the second time, although the queen never responds to the cancel', async () => {
    const { keeper } = await startDownload();
    queen.refuses = ({ method }) => (method === 'DELETE' ? 'silence' : null);
    process.kill(keeper.pid, 'SIGINT');
    await queen.waitForRequest('DELETE', /./);
    // Signals close together count as one key press, so the second is repeated until it counts.
    const pressing = setInterval(() => process.kill(keeper.pid, 'SIGINT'), 50);
    const { code } = await keeper.exited.finally(() => clearInterval(pressing));
    expect(code).toBe(EXIT_CODES.interrupted);
    // The end of the wait for a response would be reported.
    expect(keeper.stderr()).not.toContain('could not cancel');
  });

  it('says how to retry the cancel if the queen is unreachable', async () => {
    const { keeper, job } = await startDownload();
    await queen.hangUp();
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.stderr()).toContain(`error: could not cancel job ${job.id}: no queen responds at`);
    expect(keeper.stderr()).toContain(`hint: it may continue; try again with "rbee-keeper job cancel ${job.id}"`);
  });

  it('[K8] cancels a job whose start has not been answered yet', async () => {
    let job: FakeJob | null = null;
    queen.refuses = (request) => {
      if (request.method !== 'POST') return null;
      job = queen.startJob(request);
      return 'silence';
    };
    const keeper = await startKeeper(['pull', REF, '--json'], { queen });
    await queen.waitForRequest('POST', /jobs$/);
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    const receipt = keeper.lines.find(({ json }) => json?.['event'] === 'receipt');
    expect(receipt?.json?.['data']).toMatchObject({ job_id: (job as FakeJob | null)?.id, status: 'cancelled' });
  });

  it('[K8] says so if it leaves without knowing what became of the start', async () => {
    queen.refuses = ({ method }) => (method === 'POST' ? 'silence' : null);
    const keeper = await startKeeper(['pull', REF], { queen });
    await queen.waitForRequest('POST', /jobs$/);
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    await queen.waitForRequest('DELETE', /./);
    expect(keeper.stderr()).toContain('no response to the start');
    expect(keeper.stderr()).toContain('hint: the download may have started: check "rbee-keeper download list"');
  });
});
