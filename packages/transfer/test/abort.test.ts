import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { abortable } from '../src/abort.ts';

const never = new Promise<never>(() => {});
const reason = new Error('not wanted any more');

test('the result of the work is passed on, and so is its error', async () => {
  const { signal } = new AbortController();
  await expect(abortable(signal, async () => 7)).resolves.toBe(7);
  await expect(abortable(signal, () => Promise.reject(reason))).rejects.toBe(reason);
});

test('an abort ends the wait immediately, with its reason', async () => {
  const controller = new AbortController();
  const wait = abortable(controller.signal, () => never);
  controller.abort(reason);
  await expect(wait).rejects.toBe(reason);
});

test('work does not start if the signal has already aborted', async () => {
  let hasBegun = false;
  const work = async () => {
    hasBegun = true;
  };
  await expect(abortable(AbortSignal.abort(reason), work)).rejects.toBe(reason);
  expect(hasBegun).toBe(false);
});

test('no listener stays behind, however the wait ends', async () => {
  const controller = new AbortController();
  await abortable(controller.signal, async () => {});
  await abortable(controller.signal, () => Promise.reject(reason)).catch(() => {});
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});
