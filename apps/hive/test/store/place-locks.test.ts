import { describe, expect, it } from 'vitest';
import { PlaceLocks } from '../../src/store/place-locks.ts';

const { signal } = new AbortController();

describe('the locks of a place', () => {
  it('are shared by downloads, and refused to a removal in the meantime', async () => {
    const locks = new PlaceLocks();
    const [first, second] = [await locks.acquireShared('a', signal), await locks.acquireShared('a', signal)];
    await expect(locks.acquireExclusive('a')).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    (await locks.acquireExclusive('b'))();
    first();
    first();
    await expect(locks.acquireExclusive('a')).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    second();
    (await locks.acquireExclusive('a'))();
  });

  it('wait for a removal in progress, one removal after the other', async () => {
    const locks = new PlaceLocks();
    const order: string[] = [];
    const first = await locks.acquireExclusive('a');
    const second = locks.acquireExclusive('a').then((release) => {
      order.push('second removal');
      release();
    });
    await Promise.resolve();
    order.push('first removal ends');
    first();
    await second;
    const shared = await locks.acquireShared('a', signal);
    order.push('shared');
    shared();
    expect(order).toEqual(['first removal ends', 'second removal', 'shared']);
  });

  it('are no longer waited for after an abort', async () => {
    const locks = new PlaceLocks();
    const release = await locks.acquireExclusive('a');
    const controller = new AbortController();
    const reason = new Error('gone');
    const shared = locks.acquireShared('a', controller.signal);
    controller.abort(reason);
    await expect(shared).rejects.toBe(reason);
    release();
    (await locks.acquireExclusive('a'))();
  });

  it('are not granted after an abort', async () => {
    const locks = new PlaceLocks();
    const reason = new Error('gone');
    await expect(locks.acquireShared('a', AbortSignal.abort(reason))).rejects.toBe(reason);
    (await locks.acquireExclusive('a'))();
  });
});
