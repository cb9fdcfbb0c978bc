import { beforeEach, describe, expect, test } from 'vitest';
import { Connection } from '../../src/attempt/connection.ts';
import { SlowConnections } from '../../src/attempt/slow-connections.ts';

let nowMs = 0;
let slow: SlowConnections;
beforeEach(() => {
  nowMs = 0;
  slow = new SlowConnections(() => nowMs);
});

function connections(count: number): ReadonlySet<Connection> {
  const all = Array.from({ length: count }, () => new Connection(() => nowMs));
  for (const connection of all) connection.request({ position: 0, end: 1_000_000_000 });
  return new Set(all);
}

/** Lets time pass; `speeds` are bytes per millisecond, in order. Gives how many were dropped. */
function run(all: ReadonlySet<Connection>, speeds: readonly number[], forMs: number, isHeldBack = false): number {
  for (const end = nowMs + forMs; nowMs < end; nowMs += 25) {
    for (const [index, connection] of [...all].entries()) connection.bytes += 25 * (speeds[index] ?? 0);
    slow.drop(all, isHeldBack);
  }
  return [...all].filter(({ isDropped }) => isDropped).length;
}

test('one far below the others is dropped, one that is only slower stays', () => {
  const all = connections(3);
  expect(run(all, [1_000, 20, 300], 3_200)).toBe(1);
  expect([...all].map(({ isDropped }) => isDropped)).toEqual([false, true, false]);
});

test('a single one is compared with a part that was fetched to its end', () => {
  const [learned] = connections(1);
  if (learned === undefined) throw new Error('a connection');
  nowMs = 1_000;
  learned.bytes = 1_000_000;
  slow.learn(learned);
  expect(run(connections(1), [500], 4_000)).toBe(0);
  expect(run(connections(1), [50], 4_000)).toBe(1);
});

describe('a limit set while they run', () => {
  test('makes none of them slow', () => {
    const all = connections(4);
    run(all, [2_000, 2_000, 2_000, 2_000], 8_000);
    expect(run(all, [50, 50, 50, 50], 8_000, true)).toBe(0);
  });

  test('and lifted again lets them be judged by what they do then', () => {
    const all = connections(2);
    run(all, [2_000, 2_000], 8_000);
    run(all, [50, 50], 4_000, true);
    expect(run(all, [2_000, 2_000], 4_000)).toBe(0);
    expect(run(all, [2_000, 50], 7_000)).toBe(1);
  });
});

describe('[B4] a source that pauses', () => {
  test('[B4] all connections stand still alike: none is dropped', () => {
    const all = connections(8);
    run(all, Array(8).fill(1_000), 10_000);
    expect(run(all, Array(8).fill(0), 60_000)).toBe(0);
  });

  test('[B4] one stands still half a second before the others, in a pause of all: none is dropped', () => {
    const all = connections(4);
    run(all, [1_000, 1_000, 1_000, 1_000], 10_000);
    run(all, [0, 1_000, 1_000, 1_000], 500);
    expect(run(all, [0, 0, 0, 0], 60_000)).toBe(0);
  });

  test('[B4] connections that have run for different times stand still alike: none is dropped', () => {
    const old = [...connections(2)];
    run(new Set(old), [1_000, 1_000], 20_000);
    const all = new Set([...old, ...connections(2)]);
    run(all, [1_000, 1_000, 50, 50], 2_000);
    expect(run(all, [0, 0, 0, 0], 60_000)).toBe(0);
  });

  test('[B4] one that stays away when the others continue is dropped', () => {
    const all = connections(4);
    run(all, [1_000, 1_000, 1_000, 1_000], 10_000);
    run(all, [0, 0, 0, 0], 20_000);
    expect(run(all, [1_000, 0, 1_000, 1_000], 4_000)).toBe(1);
    expect([...all].map(({ isDropped }) => isDropped)).toEqual([false, true, false, false]);
  });

  test('[B4] a single connection is replaced once, not again and again', () => {
    const [learned] = connections(1);
    if (learned === undefined) throw new Error('a connection');
    nowMs = 1_000;
    learned.bytes = 1_000_000;
    slow.learn(learned);
    expect(run(connections(1), [0], 10_000)).toBe(1);
    expect(run(connections(1), [0], 60_000)).toBe(0);
  });
});
