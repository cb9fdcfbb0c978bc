import { type Job as JobSnapshot, newDownloadId, newJobId, RbeeError } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { type Job, type JobRegistry, narrate } from '../src/index.ts';
import { createRegistry, linesOf, readToEnd } from './support.ts';

const REQUEST = { operation: 'model_download', model: 'hf:org/repo::file=x.gguf' };

/** Runs a job to its end; `work` may throw. */
async function finished(registry: JobRegistry, work: (job: Job) => Promise<void>): Promise<Job> {
  const job = registry.create(REQUEST);
  registry.run(job, work);
  await job.settled;
  return job;
}

describe('the stream of an ended job', () => {
  const KEPT_BYTES = 100_000;
  const result = { action: 'model_plan', payload: { text: 'x'.repeat(30_000) } };
  const planned = (registry: JobRegistry) =>
    finished(registry, async (job) => {
      narrate('plan_ready', 'ready');
      job.data(result);
    });
  const keptOf = (jobs: readonly Job[]) => jobs.reduce((sum, { channel }) => sum + channel.keptBytes, 0);

  it('is kept up to a number of bytes over all jobs: the oldest then have only a gap and their end', async () => {
    const { registry } = createRegistry({ keptBytes: KEPT_BYTES });
    const jobs: Job[] = [];
    for (let round = 0; round < 50; round += 1) {
      jobs.push(await planned(registry));
      expect(keptOf(jobs)).toBeLessThanOrEqual(KEPT_BYTES);
    }
    expect(await linesOf(only(jobs, 0))).toEqual(['2 earlier lines are no longer kept', '[DONE]']);
    expect(await linesOf(only(jobs, 46))).toEqual(['2 earlier lines are no longer kept', '[DONE]']);
    expect(await linesOf(only(jobs, 47))).toEqual(['ready', JSON.stringify(result), '[DONE]']);
    expect(only(jobs, 0).snapshot()).toMatchObject({ state: 'completed', error: null });
  });

  it('of the job that ended last is kept, however large it is', async () => {
    const { registry } = createRegistry({ keptBytes: 1_000 });
    const [first, last] = [await planned(registry), await planned(registry)];
    expect(await linesOf(first)).toEqual(['2 earlier lines are no longer kept', '[DONE]']);
    expect(await linesOf(last)).toEqual(['ready', JSON.stringify(result), '[DONE]']);
  });

  it('is never dropped while the job runs', async () => {
    const { registry } = createRegistry({ keptBytes: 1_000 });
    const running = registry.create(REQUEST);
    const over = Promise.withResolvers<void>();
    registry.run(running, async (job) => {
      job.data(result);
      await over.promise;
    });
    await planned(registry);
    over.resolve();
    await running.settled;
    expect(await linesOf(running)).toEqual([JSON.stringify(result), '[DONE]']);
  });

  it('ends a reader that has had the end, also when the rest was dropped', async () => {
    const { registry } = createRegistry({ keptBytes: 1_000 });
    const first = await planned(registry);
    const { lastId } = first.channel;
    await planned(registry);
    expect(first.channel.accepts(lastId)).toBe('no_content');
  });
});

function only(jobs: readonly Job[], index: number): Job {
  const job = jobs[index];
  if (!job) throw new Error(`there is no job ${index}`);
  return job;
}

describe('a registry', () => {
  it('counts its jobs by state, and ended ones also after they are forgotten', async () => {
    const { registry } = createRegistry({ historyLimit: 1 });
    registry.create(REQUEST);
    for (const error of [null, null, new RbeeError('MODEL_NOT_FOUND', 'no such model')]) {
      await finished(registry, async () => {
        if (error) throw error;
      });
    }
    const cancelled = registry.create(REQUEST);
    registry.run(cancelled, () => new Promise((_, reject) => cancelled.signal.addEventListener('abort', reject)));
    await registry.cancel(cancelled.id, 'keep');
    registry.create(REQUEST);
    expect(registry.byState()).toEqual({ queued: 2, running: 0, completed: 0, failed: 0, cancelled: 1 });
    expect(registry.endedByState).toEqual({ completed: 2, failed: 1, cancelled: 1 });
  });
});

describe('a job', () => {
  it('ends with [DONE] when its work returns', async () => {
    const { registry } = createRegistry();
    const job = await finished(registry, async () => void narrate('hello', 'hello'));
    expect(job.snapshot()).toMatchObject({ state: 'completed', model: REQUEST.model, error: null });
    expect(await linesOf(job)).toEqual(['hello', '[DONE]']);
  });

  it('ends with [ERROR] and the code when its work fails', async () => {
    const { registry, bugs } = createRegistry();
    const job = await finished(registry, async () => {
      throw new RbeeError('MODEL_NOT_FOUND', 'no such model', { hint: 'look again' });
    });
    expect(job.snapshot().error).toEqual({ code: 'MODEL_NOT_FOUND', message: 'no such model', hint: 'look again' });
    expect(await linesOf(job)).toEqual(['[ERROR] no such model']);
    expect(bugs).toEqual([]);
  });

  it('does not show the text of a bug, and reports it', async () => {
    const { registry, bugs } = createRegistry();
    const job = await finished(registry, async () => {
      throw new TypeError('undefined is not a secret');
    });
    expect(job.snapshot().error?.code).toBe('INTERNAL');
    expect((await linesOf(job)).join()).not.toContain('secret');
    expect(bugs).toHaveLength(1);
  });

  it('is completed when its work was done before the cancel was noticed', async () => {
    const { registry } = createRegistry();
    const { promise, resolve } = Promise.withResolvers<void>();
    const job = registry.create(REQUEST);
    registry.run(job, () => promise);
    const cancelled = registry.cancel(job.id, 'keep');
    resolve();
    expect((await cancelled).state).toBe('completed');
  });

  it('has a state that never goes back', async () => {
    const { registry } = createRegistry();
    const job = await finished(registry, async () => {});
    expect(() => job.start()).toThrow('cannot go from completed to running');
    expect(() => job.end({ state: 'cancelled' })).toThrow('cannot go from completed to cancelled');
    expect((await registry.cancel(job.id, 'keep')).state).toBe('completed');
  });

  it('gives a late reader everything it said, with its own id, actor and time', async () => {
    const { registry, clock } = createRegistry();
    const job = await finished(registry, async () => {
      narrate('first', 'one');
      clock.advance(1_500);
      narrate('second', 'two', 'error');
    });
    const [first, second] = (await readToEnd(job)).map(({ event, data }) =>
      event === 'narration' ? JSON.parse(data) : data,
    );
    expect(first).toEqual({
      job_id: job.id,
      action: 'first',
      human: 'one',
      actor: 'hive-a',
      at: '2025-01-01T00:00:00.000Z',
      level: 'info',
    });
    expect(second).toMatchObject({ human: 'two', level: 'error', at: '2025-01-01T00:00:01.500Z' });
  });

  it('narrates nothing after its end', async () => {
    const { registry } = createRegistry();
    const job = await finished(registry, async () => {});
    job.onLine({ action: 'late', human: 'too late', level: 'info' });
    expect(await linesOf(job)).toEqual(['[DONE]']);
  });
});

describe('the registry', () => {
  it('refuses an id that is taken', () => {
    const { registry } = createRegistry();
    const id = newJobId();
    registry.create(REQUEST, id);
    expect(() => registry.create(REQUEST, id)).toThrow(expect.objectContaining({ code: 'STATUS_CONFLICT' }));
  });

  it('throws JOB_NOT_FOUND for an unknown id', async () => {
    const { registry } = createRegistry();
    expect(() => registry.get(newJobId())).toThrow(expect.objectContaining({ code: 'JOB_NOT_FOUND' }));
    await expect(registry.cancel(newJobId(), 'keep')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('lists the newest first', () => {
    const { registry } = createRegistry();
    const ids = [0, 1, 2].map(() => registry.create(REQUEST).id);
    expect(registry.list().map((job) => job.job_id)).toEqual(ids.toReversed());
  });

  it('forgets the oldest ended jobs beyond its limit, and no other', async () => {
    const { registry } = createRegistry({ historyLimit: 2 });
    const running = registry.create(REQUEST);
    registry.run(running, () => new Promise(() => {}));
    const ended: Job[] = [];
    for (let index = 0; index < 4; index += 1) ended.push(await finished(registry, async () => {}));
    const newest = registry.create(REQUEST);
    const kept = registry.list().map((job) => job.job_id);
    expect(kept).toEqual([newest.id, ended[3]?.id, ended[2]?.id, running.id]);
  });

  it('takes no more jobs once it shuts down', async () => {
    const { registry } = createRegistry();
    await registry.shutdown();
    expect(() => registry.create(REQUEST)).toThrow(expect.objectContaining({ code: 'HIVE_UNAVAILABLE' }));
  });
});

describe('after a restart', () => {
  it('knows the jobs of the one before: ended ones as they were, the others queued to be run again', async () => {
    const kept = new Map<string, JobSnapshot>();
    const { registry } = createRegistry({}, { onChange: (job) => kept.set(job.id, job.snapshot()) });
    const failed = await finished(registry, async () => {
      throw new RbeeError('DISK_FULL', 'no room', { hint: 'make some' });
    });
    const cut = registry.create(REQUEST);
    cut.addDownload({ hive_id: 'hive-a', download_id: newDownloadId(), download_sse_url: '/x' });
    registry.run(cut, () => new Promise(() => {}));
    expect(kept.get(cut.id)?.state).toBe('running');

    const { registry: next } = createRegistry();
    const restored = [...kept.values()].map((snapshot) => next.restore(JSON.parse(JSON.stringify(snapshot))));
    expect(restored.map(({ state }) => state)).toEqual(['failed', 'queued']);
    expect(next.get(failed.id).snapshot()).toEqual(failed.snapshot());
    expect(await linesOf(next.get(failed.id))).toEqual(['[ERROR] no room']);
    expect(next.get(cut.id).snapshot()).toMatchObject({ ...cut.snapshot(), state: 'queued' });
    next.run(next.get(cut.id), async () => void narrate('again', 'going on'));
    expect(await linesOf(next.get(cut.id))).toEqual(['going on', '[DONE]']);
  });

  it('gets each job that was forgotten', async () => {
    const forgotten: string[] = [];
    const { registry } = createRegistry({ historyLimit: 1 }, { onForget: (id) => forgotten.push(id) });
    const first = await finished(registry, async () => {});
    await finished(registry, async () => {});
    registry.create(REQUEST);
    expect(forgotten).toEqual([first.id]);
  });
});

describe('too many jobs', () => {
  const RATE_LIMITED = expect.objectContaining({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) });

  it('are rejected at the limit, and accepted again when one has ended', async () => {
    const { registry } = createRegistry({ maxOpen: 2 });
    const first = registry.create(REQUEST);
    registry.create(REQUEST);
    expect(() => registry.create(REQUEST)).toThrow(RATE_LIMITED);
    registry.run(first, async () => {});
    await first.settled;
    registry.create(REQUEST);
    expect(() => registry.create(REQUEST)).toThrow(RATE_LIMITED);
  });

  it('count those that hold a place, once each', () => {
    const { registry } = createRegistry({ maxOpen: 1 });
    const release = registry.reserve();
    expect(() => registry.create(REQUEST)).toThrow(RATE_LIMITED);
    expect(() => registry.reserve()).toThrow(RATE_LIMITED);
    release();
    release();
    registry.create(REQUEST);
    expect(() => registry.reserve()).toThrow(RATE_LIMITED);
  });

  it('of a previous run are restored beyond the limit', () => {
    const { registry } = createRegistry();
    const kept = [registry.create(REQUEST), registry.create(REQUEST)].map((job) => job.snapshot());
    const { registry: next } = createRegistry({ maxOpen: 1 });
    for (const snapshot of kept) next.restore(snapshot);
    expect(next.list()).toHaveLength(2);
    expect(() => next.create(REQUEST)).toThrow(RATE_LIMITED);
  });
});

describe('jobs that cannot be remembered, as on a full disk', () => {
  const full = new Error('database or disk is full');

  it('continue to their end', async () => {
    let isFull = false;
    const onChange = () => {
      if (isFull) throw full;
    };
    const { registry, bugs } = createRegistry({}, { onChange });
    const job = registry.create(REQUEST);
    isFull = true;
    registry.run(job, async () => void narrate('work', 'working'));
    await job.settled;
    expect(await linesOf(job)).toEqual(['working', '[DONE]']);
    expect(job.state).toBe('completed');
    expect(bugs).toEqual([full, full]);
  });

  it('are rejected while they are new, and take no place', () => {
    const onChange = () => {
      throw full;
    };
    const { registry } = createRegistry({ maxOpen: 1 }, { onChange });
    expect(() => registry.create(REQUEST)).toThrow(full);
    expect(() => registry.create(REQUEST)).toThrow(full);
    expect(registry.list()).toEqual([]);
  });
});

describe('jobs whose work never began', () => {
  it('[F3] do not hold up a shutdown', async () => {
    const { registry } = createRegistry();
    const snapshot = registry.create(REQUEST).snapshot();
    const { registry: next } = createRegistry();
    const job = next.restore(snapshot);
    await next.shutdown();
    expect(job.ended).toBe(false);
  });

  it('[F2] can be undone: neither the job nor its place is left', () => {
    const forgotten: string[] = [];
    const { registry } = createRegistry({ maxOpen: 1 }, { onForget: (id) => forgotten.push(id) });
    const job = registry.create(REQUEST);
    registry.undo(job);
    expect(registry.list()).toEqual([]);
    expect(forgotten).toEqual([job.id]);
    registry.run(registry.create(REQUEST), async () => {});
  });

  it('[F2] an old job that cannot be deleted refuses no new one', async () => {
    const full = new Error('database or disk is full');
    const onForget = () => {
      throw full;
    };
    const { registry, bugs } = createRegistry({ historyLimit: 0 }, { onForget });
    await finished(registry, async () => {});
    expect(registry.create(REQUEST).state).toBe('queued');
    expect(bugs).toEqual([full]);
  });
});
