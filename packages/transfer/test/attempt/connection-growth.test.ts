import { expect, test } from 'vitest';
import { ConnectionGrowth } from '../../src/attempt/connection-growth.ts';

const start = { nowMs: 0, bytes: 0, busyMs: 0, busyShare: 0.2 };

/** Lets a link run for a time over no more than `most` connections; `speedOf` gives what so many bring, in bytes per millisecond. */
function run(
  growth: ConnectionGrowth,
  speedOf: (connections: number) => number,
  forMs: number,
  from = start,
  most = 99,
) {
  const { busyShare } = from;
  let { nowMs, bytes, busyMs } = from;
  const seen: number[] = [];
  for (const end = nowMs + forMs; nowMs < end; nowMs += 50) {
    const connections = Math.min(growth.wanted, most);
    if (seen.at(-1) !== connections) seen.push(connections);
    growth.observe({ nowMs, bytes, busyMs, connections, isSettled: true, mayTry: true });
    bytes += speedOf(connections) * 50;
    busyMs += busyShare * 50;
  }
  return { nowMs, bytes, busyMs, busyShare, seen };
}

test('a server that is slow per connection soon gets the maximum', () => {
  const growth = new ConnectionGrowth(16);
  const { seen } = run(growth, (n) => n * 20_000, 700);
  expect(growth.wanted).toBe(16);
  expect(seen).toEqual([1, 4, 16]);
});

test('a link that one connection fills stays with one, and is tried again ever more rarely', () => {
  const growth = new ConnectionGrowth(16);
  const { seen } = run(growth, () => 100_000, 30_000);
  expect(growth.wanted).toBe(1);
  expect(seen.filter((connections) => connections > 1).length).toBeLessThanOrEqual(6);
  expect(Math.max(...seen)).toBe(2);
});

test('a link as fast as the machine stays with one connection', () => {
  const { seen } = run(new ConnectionGrowth(16), () => 400_000, 10_000);
  expect(seen).toEqual([1]);
});

test('a link that keeps this thread busy stays with one connection', () => {
  const { seen } = run(new ConnectionGrowth(16), (n) => n * 120_000, 10_000, { ...start, busyShare: 0.9 });
  expect(seen).toEqual([1]);
});

test('a slow link is not mistaken for a fast one because this thread is busy with other work', () => {
  const growth = new ConnectionGrowth(16);
  run(growth, (n) => n * 5_000, 2_000, { ...start, busyShare: 1 });
  expect(growth.wanted).toBe(16);
});

test('a pause of the disk does not make a fast link look slow', () => {
  const growth = new ConnectionGrowth(16);
  const fast = run(growth, () => 600_000, 1_000);
  const { seen } = run(growth, () => 50_000, 500, fast);
  expect(seen).toEqual([1]);
});

test('a link that has become slow for good gets a trial of more connections', () => {
  const growth = new ConnectionGrowth(16);
  const fast = run(growth, () => 600_000, 1_000);
  run(growth, (n) => n * 20_000, 4_000, fast);
  expect(growth.wanted).toBe(16);
});

test('one slow moment does not end a trial that helps', () => {
  const growth = new ConnectionGrowth(16);
  const at = run(growth, (n) => n * 20_000, 150);
  expect(growth.wanted).toBe(4);
  const pause = run(growth, () => 1_000, 100, at);
  run(growth, (n) => n * 20_000, 600, pause);
  expect(growth.wanted).toBe(16);
});

test('growth stops once more connections do not make it faster', () => {
  const growth = new ConnectionGrowth(32);
  run(growth, (n) => Math.min(n, 8) * 10_000, 2_400);
  expect(growth.wanted).toBe(8);
});

test('after a server has refused more, no more are tried', () => {
  const growth = new ConnectionGrowth(16);
  const at = run(growth, (n) => n * 20_000, 600);
  growth.limit(3);
  const { seen } = run(growth, (n) => n * 20_000, 20_000, at);
  expect(Math.max(...seen)).toBeLessThanOrEqual(3);
});

test('nothing is measured while some connections have not started', () => {
  const growth = new ConnectionGrowth(16);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) {
    growth.observe({ nowMs, bytes: nowMs * 10, busyMs: 0, connections: 1, isSettled: false, mayTry: true });
  }
  expect(growth.wanted).toBe(1);
});

test('a file starts with what helped the previous one, up to the maximum', () => {
  expect(new ConnectionGrowth(16, 8).wanted).toBe(8);
  expect(new ConnectionGrowth(4, 8).wanted).toBe(4);
  const { seen } = run(new ConnectionGrowth(16, 8), () => 100_000, 500);
  expect(seen[0]).toBe(8);
});

test('the next file starts with what has helped, without a running trial', () => {
  const growth = new ConnectionGrowth(16);
  expect(growth.proven).toBe(1);
  const trying = run(growth, () => 100_000, 250);
  expect(growth.wanted).toBe(2);
  expect(growth.proven).toBe(1);
  run(growth, (n) => n * 100_000, 150, { ...start, ...trying });
  expect(growth.proven).toBe(2);
});

test.each([
  ['from one', 1, 4],
  ['from what an earlier file found worth having', 8, 8],
])('connections that the budget does not have count as neither tried nor useless: %s', (_what, first, wanted) => {
  const growth = new ConnectionGrowth(16, first);
  const alone = run(growth, (n) => n * 20_000, 5_000, start, 1);
  expect(growth.wanted).toBe(wanted);
  expect(growth.proven).toBe(first);
  // As soon as they are to be had, without a rest as after a trial that has failed.
  const { seen } = run(growth, (n) => n * 20_000, 600, alone);
  expect(seen).toEqual(first === 1 ? [4, 16] : [8, 16]);
});

test('a trial is measured against the speed before it, however long it had to wait', () => {
  const growth = new ConnectionGrowth(16);
  const slow = run(growth, () => 10_000, 2_000, start, 1);
  const fast = run(growth, () => 100_000, 1_000, slow, 1);
  run(growth, () => 100_000, 500, fast);
  expect(growth.wanted).toBe(1);
});

test('with little left nothing new is tried, and a running trial is still judged', () => {
  const growth = new ConnectionGrowth(16);
  const tail = (connections: number, nowMs: number, bytes: number) =>
    growth.observe({ nowMs, bytes, busyMs: 0, connections, isSettled: true, mayTry: nowMs < 200 });
  for (const nowMs of [0, 50, 150]) tail(1, nowMs, nowMs * 20_000);
  expect(growth).toMatchObject({ wanted: 4, proven: 1 });
  for (const nowMs of [200, 300, 400, 500]) tail(4, nowMs, nowMs * 80_000);
  expect(growth).toMatchObject({ wanted: 4, proven: 4 });
});
