import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Checkpoints } from '../src/checkpoints.ts';

const MiB = 2 ** 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function create() {
  const saves: { frontier: number; done: PromiseWithResolvers<void> }[] = [];
  const errors: unknown[] = [];
  let saved = 0;
  const checkpoints = new Checkpoints({
    claimed: 0,
    save: (frontier) => {
      const done = Promise.withResolvers<void>();
      saves.push({ frontier, done });
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
  return { checkpoints, saves, errors, settle, savedTimes: () => saved };
}

test('bytes that trickle in are claimed within a second', async () => {
  const { checkpoints, saves } = create();
  checkpoints.advance(10);
  expect(saves).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(saves.map(({ frontier }) => frontier)).toEqual([10]);
});

test('bytes that pour in are claimed before 64 MiB are at stake, or wait', async () => {
  const { checkpoints, saves, settle, savedTimes } = create();
  let frontier = 0;
  while (!checkpoints.mustWait && frontier < 100 * MiB) {
    frontier += MiB;
    checkpoints.advance(frontier);
  }
  expect(saves).toHaveLength(1);
  expect(frontier).toBeLessThanOrEqual(60 * MiB);
  saves[0]?.done.resolve();
  await settle();
  expect(checkpoints.mustWait).toBe(false);
  expect(savedTimes()).toBe(1);
});

test('a disk that is slow to sync makes the sender wait before two seconds are at stake', async () => {
  const { checkpoints, saves, settle } = create();
  checkpoints.advance(10);
  await vi.advanceTimersByTimeAsync(1_000);
  checkpoints.advance(20);
  await vi.advanceTimersByTimeAsync(600);
  expect(checkpoints.mustWait).toBe(true);
  saves[0]?.done.resolve();
  await settle();
  expect(checkpoints.mustWait).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(saves.map(({ frontier }) => frontier)).toEqual([10, 20]);
});

test('stopping waits for what is under way, says what is claimed, and starts nothing more', async () => {
  const { checkpoints, saves } = create();
  checkpoints.advance(40 * MiB);
  checkpoints.advance(50 * MiB);
  const stopped = checkpoints.stop();
  saves[0]?.done.resolve();
  expect(await stopped).toEqual({ claimed: 40 * MiB });
  checkpoints.advance(200 * MiB);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(saves).toHaveLength(1);
});

test('a checkpoint that fails is told and claims nothing', async () => {
  const { checkpoints, saves, errors, settle } = create();
  const full = new Error('no room');
  checkpoints.advance(40 * MiB);
  saves[0]?.done.reject(full);
  await settle();
  expect(errors).toEqual([full]);
  expect(await checkpoints.stop()).toEqual({ claimed: 0 });
});
