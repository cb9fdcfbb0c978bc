import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { narrate, withHeartbeat } from '../src/index.ts';
import { createRegistry, linesOf } from './support.ts';

// The two bugs that the project was founded on. Method: jobs whose work knows nothing of jobs: it only narrates and
// waits. Failure shows as a line that is missing or in the wrong stream, or as work that continues after its cancel.

describe('a heartbeat reaches the stream of its own job', () => {
  it('reaches the job inside which it was started, and no other', async () => {
    const { registry, clock } = createRegistry();
    const jobs = Array.from({ length: 20 }, () => registry.create({ operation: 'model_download', model: null }));
    const finish = jobs.map((job, index) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const beat = () => narrate('download_progress', `still downloading ${index}`);
      registry.run(job, () => withHeartbeat({ clock, intervalMs: 200, signal: job.signal, beat }, () => promise));
      return resolve;
    });
    clock.advance(650);
    for (const resolve of finish) resolve();
    for (const [index, job] of jobs.entries()) {
      const own = `still downloading ${index}`;
      expect(await linesOf(job)).toEqual([own, own, own, '[DONE]']);
    }
  });

  it.each(['success', 'failure', 'cancel'] as const)('stops on %s', async (way) => {
    const { registry, clock } = createRegistry();
    const job = registry.create({ operation: 'model_download', model: null });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const beat = () => narrate('download_progress', 'still downloading');
    registry.run(job, () => withHeartbeat({ clock, intervalMs: 200, signal: job.signal, beat }, () => promise));
    clock.advance(200);
    let cancelled: Promise<unknown> = Promise.resolve();
    if (way === 'success') resolve();
    if (way === 'failure') reject(new Error('broken'));
    if (way === 'cancel') {
      cancelled = registry.cancel(job.id, 'keep');
      // The work takes its time to notice; the heartbeat does not.
      clock.advance(1_000);
      reject(job.signal.reason);
    }
    await Promise.all([job.settled, cancelled]);
    expect(clock.pending).toBe(0);
    expect((await linesOf(job)).filter((line) => line === 'still downloading')).toHaveLength(1);
  });

  it('stops at shutdown, and ends no job by it', async () => {
    const { registry, clock } = createRegistry();
    const job = registry.create({ operation: 'model_download', model: null });
    const beat = () => narrate('download_progress', 'still downloading');
    registry.run(job, () =>
      withHeartbeat({ clock, intervalMs: 200, signal: job.signal, beat }, async () => {
        await once(job.signal, 'abort');
        throw job.signal.reason;
      }),
    );
    await registry.shutdown();
    expect(clock.pending).toBe(0);
    expect(job.state).toBe('running');
    expect(job.channel.ended).toBe(false);
  });
});

describe('a cancel stops the work', () => {
  it('aborts the one signal that everything inside the job was given', async () => {
    const { registry } = createRegistry();
    const job = registry.create({ operation: 'model_download', model: null });
    const seen: string[] = [];
    registry.run(job, async ({ signal }) => {
      await once(signal, 'abort');
      seen.push('stopped');
      throw signal.reason;
    });
    await registry.cancel(job.id, 'discard');
    expect(seen).toEqual(['stopped']);
    expect(job.state).toBe('cancelled');
    expect(job.signal.reason).toMatchObject({ name: 'AbortError', partial: 'discard' });
    expect(await linesOf(job)).toEqual(['[CANCELLED]']);
  });

  it('does not touch other jobs', async () => {
    const { registry } = createRegistry();
    const [first, second] = [0, 1].map(() => registry.create({ operation: 'model_download', model: null }));
    if (!first || !second) throw new Error('two jobs were made');
    const { promise, resolve } = Promise.withResolvers<void>();
    registry.run(first, async ({ signal }) => {
      await once(signal, 'abort');
      throw signal.reason;
    });
    registry.run(second, () => promise);
    await registry.cancel(first.id, 'keep');
    expect(second.signal.aborted).toBe(false);
    resolve();
    await second.settled;
    expect(second.state).toBe('completed');
  });
});
