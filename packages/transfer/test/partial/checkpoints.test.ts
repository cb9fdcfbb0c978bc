import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type CheckpointBounds, Checkpoints, syncBounds, tightBounds } from '../../src/partial/checkpoints.ts';

const MiB = 2 ** 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function create(bounds: CheckpointBounds = tightBounds) {
  const saves: { written: number; done: PromiseWithResolvers<void> }[] = [];
  const errors: unknown[] = [];
  let saved = 0;
  let written = 0;
  const checkpoints = new Checkpoints({
    bounds,
    claimed: 0,
    save: () => {
      const done = Promise.withResolvers<void>();
      saves.push({ written, done });
      return done.promise;
    },
    onSaved: () => {
      saved += 1;
    },
    onError: (error) => void errors.push(error),
  });
  const settle = async () => {
    await vi.advanceTimersByTimeAsync(0);
  };
  const advance = (to: number) => {
    written = to;
    checkpoints.advance(to);
  };
  return { checkpoints, advance, saves, errors, settle, savedTimes: () => saved };
}

test('bytes that arrive slowly are claimed within a second', async () => {
  const { advance, saves } = create();
  advance(10);
  expect(saves).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(saves.map((save) => save.written)).toEqual([10]);
});

test('bytes that arrive fast are claimed before 64 MiB could be lost, or wait', async () => {
  const { checkpoints, advance, saves, settle, savedTimes } = create();
  let frontier = 0;
  while (!checkpoints.mustWait && frontier < 100 * MiB) {
    frontier += MiB;
    advance(frontier);
  }
  expect(saves).toHaveLength(1);
  expect(frontier).toBeLessThanOrEqual(60 * MiB);
  saves[0]?.done.resolve();
  await settle();
  expect(checkpoints.mustWait).toBe(false);
  expect(savedTimes()).toBe(1);
});

test('a disk that syncs slowly makes the sender wait before two seconds could be lost', async () => {
  const { checkpoints, advance, saves, settle } = create();
  advance(10);
  await vi.advanceTimersByTimeAsync(1_000);
  advance(20);
  await vi.advanceTimersByTimeAsync(600);
  expect(checkpoints.mustWait).toBe(true);
  saves[0]?.done.resolve();
  await settle();
  expect(checkpoints.mustWait).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(saves.map((save) => save.written)).toEqual([10, 20]);
});

test('stopping waits for a running checkpoint and starts no new one', async () => {
  const { checkpoints, advance, saves } = create();
  advance(40 * MiB);
  advance(50 * MiB);
  const stopped = checkpoints.stop();
  saves[0]?.done.resolve();
  await stopped;
  advance(200 * MiB);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(saves).toHaveLength(1);
});

test('[E1] a failed checkpoint is reported and claims nothing', async () => {
  const { checkpoints, advance, saves, errors, settle } = create();
  const full = new Error('no room');
  advance(40 * MiB);
  saves[0]?.done.reject(full);
  await settle();
  expect(errors).toEqual([full]);
  await checkpoints.stop();
});

test('a background sync makes nobody wait until it takes long or the disk is far behind', async () => {
  const { checkpoints, advance, saves, settle } = create(syncBounds);
  advance(24 * MiB);
  await vi.advanceTimersByTimeAsync(800);
  advance(55 * MiB);
  expect(checkpoints.mustWait).toBe(false);
  advance(56 * MiB);
  expect(checkpoints.mustWait).toBe(true);
  saves[0]?.done.resolve();
  await settle();
  expect(checkpoints.mustWait).toBe(false);
  await vi.advanceTimersByTimeAsync(900);
  expect(checkpoints.mustWait).toBe(true);
  expect(saves.map((save) => save.written)).toEqual([24 * MiB, 56 * MiB]);
});
