import { expect, it } from 'vitest';
import { createWatch } from '../src/watch.ts';

it('resolves when the condition holds at a poke, and at once when it holds already', async () => {
  const watch = createWatch(() => 'state');
  let count = 0;
  const waiting = watch.waitFor(() => count === 2, 'two');
  count = 1;
  watch.poke();
  count = 2;
  watch.poke();
  // The condition held at the poke; that it no longer does is not looked at.
  count = 3;
  await waiting;
  await watch.waitFor(() => count === 3, 'three');
});

it('sees what nobody pokes for', async () => {
  const watch = createWatch(() => 'state');
  let holds = false;
  setImmediate(() => {
    holds = true;
  });
  await watch.waitFor(() => holds, 'an unannounced change');
  expect(holds).toBe(true);
});

it('rejects in the end with what it waited for and the state', async () => {
  const watch = createWatch(() => 'three blind mice');
  await expect(watch.waitFor(() => false, 'a cat', { timeoutMs: 1 })).rejects.toThrow(
    'gave up after 1 ms while waiting for: a cat\nthree blind mice',
  );
});

it('rejects at once when nothing more will happen, unless the condition holds', async () => {
  const watch = createWatch(() => 'state');
  const waiting = watch.waitFor(() => false, 'news');
  watch.end('the end came');
  await expect(waiting).rejects.toThrow('the end came while waiting for: news');
  await expect(watch.waitFor(() => false, 'more')).rejects.toThrow('the end came');
  await watch.waitFor(() => true, 'nothing');
});

it('rejects with what the condition throws', async () => {
  const watch = createWatch(() => 'state');
  const broken = (): boolean => {
    throw new Error('broken condition');
  };
  await expect(watch.waitFor(broken, 'x')).rejects.toThrow('broken condition');
});
