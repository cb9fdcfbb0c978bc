import { systemClock } from '@rbee/contract/plain';
import { createManualClock } from '@rbee/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLimiter, type Limiter, type TransferNotice, transferFile } from '../src/index.ts';
import { serve, stall } from './fault-server.ts';
import { createFixture, type Fixture, generousTimeoutMs } from './fixture.ts';
import { manualTimers } from './manual-timers.ts';

/*
 * Goal: a limit slows the sockets and nothing else. Method: real transfers under a limiter, with bounds that only a broken limit or a timer
 * that should be stopped can miss, however busy the machine is.
 */
let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(1_500_000);
});
afterEach(() => fixture.close());

/** Not one of the test. */
const { setTimeout: realTimeout, clearTimeout: realClear } = globalThis;
function runningTimer(ms: number, fn: () => void): () => void {
  const timer = realTimeout(fn, ms);
  return () => realClear(timer);
}

const isWhole = async () => fixture.file.content.equals(await fixture.finalContent());

test('a transfer that waits for its limit longer than the stall timeout does not count as stalled', async () => {
  const timers = manualTimers();
  // Its clock stands still: after the first piece the transfer waits until the limit is lifted.
  const limiter = createLimiter(100_000, createManualClock());
  const held = Promise.withResolvers<void>();
  const watched: Limiter = Object.create(limiter, {
    pass: {
      value: (bytes: number, signal: AbortSignal) => {
        const passing = limiter.pass(bytes, signal);
        if (passing !== undefined) setImmediate(held.resolve);
        return passing;
      },
    },
  });
  const done = transferFile(fixture.request(), fixture.options({ limiter: watched }));
  await held.promise;
  timers.pass(2 * generousTimeoutMs);
  await fixture.until(({ bytes }) => bytes > 0);
  expect(fixture.states.at(-1)?.bytes).toBeLessThan(1_000_000);
  limiter.set(null);
  await done;
  expect(fixture.notices).toEqual([]);
  expect(await isWhole()).toBe(true);
});

test('a server that stops sending under a limit still counts as stalled', async () => {
  const { server, file } = fixture;
  server.script(serve(file, { bytes: 600_000, after: stall }));
  const timers = manualTimers();
  // Its own clock runs.
  const limiter = createLimiter(5_000_000, { ...systemClock, setTimer: runningTimer });
  const onNotice = (notice: TransferNotice) => {
    fixture.notices.push(notice);
    if (notice.code === 'RETRY') setImmediate(() => timers.pass(10));
  };
  const done = transferFile(fixture.request(), fixture.options({ limiter, onNotice }));
  await fixture.until(({ bytes }) => bytes > 0);
  await timers.passUntil(() => fixture.notices.length > 0);
  await done;
  expect(fixture.notices.map(({ code }) => code)).toEqual(['STALL', 'RETRY', 'RESUME']);
  expect(await isWhole()).toBe(true);
});

test('two transfers share the limit of the process, each below its own', async () => {
  const limit = 3_000_000;
  const ofProcess = createLimiter(limit);
  const other = await createFixture(1_500_000);
  try {
    const began = performance.now();
    await Promise.all([
      transferFile(fixture.request(), fixture.options({ limiter: ofProcess.child(null) })),
      transferFile(other.request(), other.options({ limiter: ofProcess.child(2_000_000) })),
    ]);
    // The last chunk of each is written before it is paid for, and a pause is followed by a short burst.
    const paidBytes = 3_000_000 - 4 * 65_536 - 0.05 * limit;
    expect(performance.now() - began).toBeGreaterThan((paidBytes / limit) * 1_000);
    expect(await isWhole()).toBe(true);
    expect(other.file.content.equals(await other.finalContent())).toBe(true);
  } finally {
    await other.close();
  }
});

test('an abort while the limit holds the socket ends the transfer immediately', async () => {
  const reason = new Error('no longer wanted');
  const limiter = createLimiter(1);
  const done = transferFile(fixture.request(), fixture.options({ limiter }));
  done.catch(() => {});
  await fixture.server.until(() => fixture.server.requests.length === 1);
  fixture.abort.abort(reason);
  await expect(done).rejects.toBe(reason);
  await fixture.server.until(() => fixture.server.openSockets === 0);
});
