import { createHash } from 'node:crypto';
import { generateBytes } from '@rbee/testing';
import { createLimiter } from '@rbee/transfer';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SharedLimiter } from '../../src/downloads/shared-limiter.ts';
import { Slots } from '../../src/downloads/slots.ts';
import { Turn } from '../../src/downloads/turn.ts';
import { startTestHive, type TestHive } from '../models/support.ts';

// Goal: a download that only waits for a blob that another one fetches costs no slot, and is not held to the other's
// limit. Method: real hives; a download is held by its own limit, which leaves it for minutes in the middle of its file.
// Failure shows as a download that never starts or never ends.

const SIZE = 3_000_000;
/** Minutes for a file. */
const HELD = 10_000;
const COMMIT_REF = (commit: string) => `hf:org/models@${commit}::file=a.gguf`;
vi.setConfig({ testTimeout: 60_000 });

let hive: TestHive;

async function start(slots: number): Promise<string> {
  hive = await startTestHive({ RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: String(slots) });
  const names = ['a', 'b', 'c', 'd'];
  const files = Object.fromEntries(names.map((name, seed) => [`${name}.gguf`, { size: SIZE, seed }]));
  return hive.hub.addRepo({ id: 'org/models', files }).commit;
}

async function begin(model: string, more: object = {}): Promise<{ id: string; job: string }> {
  const { status, body } = await hive.api('POST', '/v1/jobs', { operation: 'model_download', model, ...more });
  expect(status).toBe(202);
  return { id: String(body['download_id']), job: String(body['job_id']) };
}

const snapshot = async (id: string) => (await hive.api('GET', `/v2/downloads/${id}`)).body;
const until = (id: string, status: string) =>
  expect.poll(async () => (await snapshot(id))['status'], { timeout: 40_000 }).toBe(status);

/** Its own transfer, or that of another, has brought bytes. */
const untilBytes = (id: string) =>
  expect.poll(async () => Number((await snapshot(id))['bytes']), { timeout: 40_000 }).toBeGreaterThan(0);

describe('downloads of one blob', () => {
  afterEach(() => hive.close());

  it('[J1] those that only watch leave their slots to others', async () => {
    const commit = await start(3);
    const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: HELD });
    await untilBytes(leader.id);
    const watchers = [
      await begin(COMMIT_REF(commit), { max_bandwidth: HELD }),
      await begin('hf:org/models::include=a.*', { max_bandwidth: HELD }),
    ];
    for (const { id } of watchers) await untilBytes(id);
    const other = await begin('hf:org/models::file=b.gguf');
    await until(other.id, 'complete');
    expect((await snapshot(leader.id))['status']).toBe('downloading');
  });

  it('[J1] what one of them has fetched completes the others without a slot', async () => {
    const commit = await start(2);
    const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: HELD });
    await untilBytes(leader.id);
    const watcher = await begin(COMMIT_REF(commit), { max_bandwidth: HELD });
    await untilBytes(watcher.id);
    const others = [
      await begin('hf:org/models::file=b.gguf', { max_bandwidth: HELD }),
      await begin('hf:org/models::file=c.gguf', { max_bandwidth: HELD }),
    ];
    // One of the others has the watcher's slot; the second waits for the leader's.
    await untilBytes(others[0]?.id ?? '');
    expect((await hive.api('PATCH', `/v2/downloads/${leader.id}`, { max_bandwidth: 0 })).status).toBe(200);
    await until(leader.id, 'complete');
    await until(watcher.id, 'complete');
    await untilBytes(others[1]?.id ?? '');
  });

  it('[J1] a transfer goes by the most generous limit of those that want it', async () => {
    const commit = await start(3);
    const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: 100 });
    await untilBytes(leader.id);
    const unlimited = await begin(COMMIT_REF(commit));
    await until(unlimited.id, 'complete');
    await until(leader.id, 'complete');
  });

  it('[J1] one that watches takes over, with a slot of its own, when the transfer is cancelled', async () => {
    const commit = await start(2);
    const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: HELD });
    await untilBytes(leader.id);
    const watcher = await begin(COMMIT_REF(commit), { max_bandwidth: HELD });
    await untilBytes(watcher.id);
    const other = await begin('hf:org/models::file=b.gguf', { max_bandwidth: HELD });
    await untilBytes(other.id);
    expect((await hive.api('DELETE', `/v1/jobs/${leader.job}?partial=keep`)).body['status']).toBe('cancelled');
    expect((await hive.api('PATCH', `/v2/downloads/${watcher.id}`, { max_bandwidth: 0 })).status).toBe(200);
    await until(watcher.id, 'complete');
    expect((await snapshot(watcher.id))['sha256']).toBe(
      createHash('sha256')
        .update(generateBytes({ size: SIZE, seed: 0 }))
        .digest('hex'),
    );
  });

  it.each(['complete', 'paused', 'cancelled'] as const)(
    '[J1] one that takes over without a free slot is queued, and can be %s from there',
    async (how) => {
      const commit = await start(2);
      const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: HELD });
      await untilBytes(leader.id);
      const watcher = await begin(COMMIT_REF(commit), { max_bandwidth: HELD });
      await untilBytes(watcher.id);
      const second = await begin('hf:org/models::file=b.gguf', { max_bandwidth: HELD });
      await untilBytes(second.id);
      const third = await begin('hf:org/models::file=c.gguf', { max_bandwidth: HELD });
      await until(third.id, 'queued');
      await hive.api('DELETE', `/v1/jobs/${leader.job}?partial=keep`);
      await until(watcher.id, 'queued');
      await until(third.id, 'downloading');
      await hive.api('PATCH', `/v2/downloads/${watcher.id}`, { max_bandwidth: 0 });
      if (how === 'complete') await hive.api('DELETE', `/v1/jobs/${second.job}`);
      if (how === 'paused') await hive.api('POST', `/v2/downloads/${watcher.id}/pause`);
      if (how === 'cancelled') await hive.api('DELETE', `/v1/jobs/${watcher.job}`);
      await until(watcher.id, how);
      if (how !== 'paused') return;
      await hive.api('POST', `/v2/downloads/${watcher.id}/resume`);
      await until(watcher.id, 'queued');
      await hive.api('DELETE', `/v1/jobs/${third.job}`);
      await until(watcher.id, 'complete');
    },
  );

  it.each(['cancelled', 'paused'] as const)('[J1] one that watches without a slot can be %s', async (how) => {
    const commit = await start(2);
    const leader = await begin('hf:org/models::file=a.gguf', { max_bandwidth: HELD });
    await untilBytes(leader.id);
    const watcher = await begin(COMMIT_REF(commit), { max_bandwidth: HELD });
    await untilBytes(watcher.id);
    if (how === 'cancelled') await hive.api('DELETE', `/v1/jobs/${watcher.job}`);
    else await hive.api('POST', `/v2/downloads/${watcher.id}/pause`);
    expect((await snapshot(watcher.id))['status']).toBe(how);
    expect((await snapshot(leader.id))['status']).toBe('downloading');
    // Both slots work: one is the leader's.
    const other = await begin('hf:org/models::file=b.gguf');
    await until(other.id, 'complete');
  });
});

describe('the slot of a download', () => {
  const never = new AbortController().signal;

  it('[J1] is given back while all its files only watch, and not before', async () => {
    const slots = new Slots(1);
    const turn = new Turn(slots, () => 0);
    await turn.take(never);
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const works = [first, second].map((flight) => turn.work(() => turn.watch(() => flight.promise)));
    const busy = Promise.withResolvers<void>();
    const working = turn.work(() => busy.promise);
    first.resolve();
    await works[0];
    expect(turn.isHeld).toBe(false);
    busy.resolve();
    second.resolve();
    await Promise.all([...works, working]);
    await turn.take(never);
    expect(turn.isHeld).toBe(true);
    turn.end();
    (await slots.acquire(never, () => 0))();
  });

  it('[J1] is not kept by a download that ends while it waits', async () => {
    const slots = new Slots(1);
    const release = await slots.acquire(never, () => 0);
    const turn = new Turn(slots, () => 0);
    const stop = new AbortController();
    const taking = turn.take(stop.signal);
    stop.abort(new Error('cancelled'));
    await expect(taking).rejects.toThrow('cancelled');
    turn.end();
    expect(slots.waiting).toBe(0);
    release();
    (await slots.acquire(never, () => 0))();
  });
});

describe('a shared limit', () => {
  const never = new AbortController().signal;

  it('[J1] lets a waiting reader continue when a more generous download joins, and is strict again when it leaves', async () => {
    const limiter = new SharedLimiter();
    limiter.join(createLimiter(1));
    await limiter.pass(1, never);
    const waiting = limiter.pass(1_000_000, never);
    const leave = limiter.join(createLimiter(null));
    await waiting;
    expect([limiter.isLimited, limiter.pass(1_000_000, never)]).toEqual([false, undefined]);
    leave();
    expect(limiter.isLimited).toBe(true);
  });
});
