import { beforeEach, expect, test } from 'vitest';
import type { Connection } from '../../src/attempt/connection.ts';
import { ConnectionSet } from '../../src/attempt/connection-set.ts';
import { createConnectionBudget } from '../../src/index.ts';

const limit = 3;
let budget = createConnectionBudget(limit);
let sizes: number[] = [];
const signal = new AbortController().signal;
beforeEach(() => {
  budget = createConnectionBudget(limit);
  sizes = [];
});

const create = () => new ConnectionSet(budget, (size) => sizes.push(size));
const add = (set: ConnectionSet): Connection => {
  const connection = set.add(() => 0);
  if (connection === null) throw new Error('a connection');
  return connection;
};
/** How much of the budget is left; leaves it as it was. */
const left = () => {
  let count = 0;
  while (budget.tryAcquire()) count += 1;
  for (let given = 0; given < count; given += 1) budget.release();
  return count;
};

test('acquires one of the budget for each, and keeps one while there are none', async () => {
  const set = create();
  await set.open(signal);
  expect(left()).toBe(2);
  const [first, second] = [add(set), add(set)];
  expect(left()).toBe(1);
  set.retire(first);
  set.retire(first);
  expect(left()).toBe(2);
  set.retire(second);
  expect(left()).toBe(2);
  add(set);
  expect(left()).toBe(2);
  set.retire(add(set));
  set.close();
  expect(left()).toBe(limit);
  expect(sizes).toEqual([1, 2, 1, 0, 1, 2, 1]);
});

test('adds none if the budget is used up, and releases one if another waits for its first', async () => {
  const [one, other] = [create(), create()];
  await one.open(signal);
  const [first] = [add(one), add(one), add(one)];
  expect(one.add(() => 0)).toBeNull();
  expect(one.isExcess(first, limit)).toBe(false);
  const opened = other.open(signal);
  expect(one.isExcess(first, limit)).toBe(true);
  one.retire(first);
  await opened;
  add(other);
  expect(other.add(() => 0)).toBeNull();
  expect(one.add(() => 0)).toBeNull();
});

test('an abort while it waits acquires nothing', async () => {
  const one = create();
  await one.open(signal);
  for (let taken = 0; taken < limit; taken += 1) add(one);
  const abort = new AbortController();
  const reason = new Error('not wanted any more');
  const opened = create().open(abort.signal);
  abort.abort(reason);
  await expect(opened).rejects.toBe(reason);
  for (const connection of one.all) one.retire(connection);
  one.close();
  expect(left()).toBe(limit);
});
