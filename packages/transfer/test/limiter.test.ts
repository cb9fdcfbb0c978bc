import { createManualClock } from '@rbee/testing';
import { describe, expect, it } from 'vitest';
import { createLimiter, type Limiter } from '../src/limiter.ts';

// Goal: over any five seconds the limit holds within 5 percent, whoever reads and in whatever pieces. Method: readers
// that read on as soon as they may, on a clock that is moved by hand; failure shows as a share or a sum that is off.

const never = new AbortController().signal;

/** Reads `chunk` bytes again and again; counts them. */
function reader(limiter: Limiter, chunk: number, signal: AbortSignal = never) {
  const counted = { bytes: 0, waits: 0 };
  const read = async () => {
    while (!signal.aborted) {
      counted.bytes += chunk;
      const passing = limiter.pass(chunk, signal);
      if (passing === undefined) continue;
      counted.waits += 1;
      await passing;
    }
  };
  void read().catch(() => {});
  return counted;
}

/** Lets time pass in steps, and everybody who may read do so after each. */
async function pass(clock: ReturnType<typeof createManualClock>, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 5) {
    clock.advance(5);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const MB = 1_000_000;

describe('a limit', () => {
  it.each([
    [1, 65_536, 10 * MB],
    [16, 65_536, 10 * MB],
    [16, 262_144, 1 * MB],
    [1, 1_000, 0.1 * MB],
    [3, 65_536, 200 * MB],
  ])('for %s readers of %s bytes at %s B/s holds within 5 percent over 5 s', async (readers, chunk, limit) => {
    const clock = createManualClock();
    const limiter = createLimiter(limit, clock);
    const all = Array.from({ length: readers }, () => reader(limiter.child(null), chunk));
    await pass(clock, 5_000);
    const bytes = all.reduce((sum, counted) => sum + counted.bytes, 0);
    // What each has in hand is not on disk yet: a reader is counted when it has read, and then waits.
    expect(bytes - readers * chunk).toBeGreaterThan(limit * 5 * 0.95);
    expect(bytes - readers * chunk).toBeLessThan(limit * 5 * 1.05 + chunk);
  });

  it('is shared fairly by transfers, however many connections each has', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(10 * MB, clock);
    const one = limiter.child(null);
    const other = limiter.child(null);
    const single = reader(one, 65_536);
    const many = Array.from({ length: 7 }, () => reader(other, 65_536));
    await pass(clock, 5_000);
    const shared = many.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(single.bytes / shared).toBeGreaterThan(0.9);
    expect(single.bytes / shared).toBeLessThan(1.1);
  });

  it('of a transfer nests in that of the process, and leaves the rest to the others', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(10 * MB, clock);
    const slow = reader(limiter.child(2 * MB), 65_536);
    const fast = reader(limiter.child(null), 65_536);
    await pass(clock, 5_000);
    expect(slow.bytes / (2 * MB * 5)).toBeCloseTo(1, 1);
    expect(fast.bytes / (8 * MB * 5)).toBeCloseTo(1, 1);
  });

  it('can be changed while readers wait, up, down and off', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(0.01 * MB, clock);
    const counted = reader(limiter, 65_536);
    const over = async (ms: number) => {
      const before = counted.bytes;
      await pass(clock, ms);
      return counted.bytes - before;
    };
    await over(1_000);
    limiter.set(20 * MB);
    expect((await over(2_000)) / (40 * MB)).toBeCloseTo(1, 1);
    limiter.set(1 * MB);
    expect((await over(2_000)) / (2 * MB)).toBeCloseTo(1, 1);
    expect(limiter.bytesPerSecond).toBe(1 * MB);
  });

  it('that is lifted releases everybody immediately', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(1, clock);
    const child = limiter.child(null);
    expect(child.pass(1_000_000, never)).toBeDefined();
    const waiting = child.pass(1_000_000, never);
    limiter.set(null);
    await waiting;
    expect(child.pass(1_000_000, never)).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  it('of null costs nothing: no promise, no timer', () => {
    const clock = createManualClock();
    const limiter = createLimiter(null, clock).child(null);
    for (let times = 0; times < 1_000; times += 1) expect(limiter.pass(1_000_000, never)).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  it('is left immediately by an aborted reader, whose turn goes to the next', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(1_000, clock);
    const controller = new AbortController();
    const waiting = limiter.pass(1_000, controller.signal);
    const next = limiter.pass(1_000, never);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    clock.advance(10);
    await next;
    expect(clock.pending).toBe(0);
  });

  it('gives a burst and no more after a long rest', async () => {
    const clock = createManualClock();
    const limiter = createLimiter(1_000, clock);
    clock.advance(3_600_000);
    let passed = 0;
    while (limiter.pass(10, never) === undefined) passed += 10;
    expect(passed).toBeLessThanOrEqual(60);
  });

  it.each([400, -400])('[I3] keeps to its rate when the clock is set by %i days', async (days) => {
    const clock = createManualClock();
    const limiter = createLimiter(1_000, clock);
    clock.advance(1_000);
    while (limiter.pass(10, never) === undefined);
    clock.set(clock.now() + days * 86_400_000);
    const waiting = limiter.pass(1_000, never);
    expect(waiting).toBeInstanceOf(Promise);
    clock.advance(1_000);
    await waiting;
  });
});
