import { describe, expect, it } from 'vitest';
import { PlaceUses } from '../../src/store/place-locks.ts';

const { signal } = new AbortController();

describe('the uses of a place', () => {
  it('are shared by downloads, and refused to a removal meanwhile', async () => {
    const uses = new PlaceUses();
    const [first, second] = [await uses.share('a', signal), await uses.share('a', signal)];
    await expect(uses.exclude('a')).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    (await uses.exclude('b'))();
    first();
    first();
    await expect(uses.exclude('a')).rejects.toMatchObject({ code: 'STATUS_CONFLICT' });
    second();
    (await uses.exclude('a'))();
  });

  it('wait for a removal that is under way, one removal after the other', async () => {
    const uses = new PlaceUses();
    const order: string[] = [];
    const first = await uses.exclude('a');
    const second = uses.exclude('a').then((release) => {
      order.push('second removal');
      release();
    });
    await Promise.resolve();
    order.push('first removal ends');
    first();
    await second;
    const shared = await uses.share('a', signal);
    order.push('shared');
    shared();
    expect(order).toEqual(['first removal ends', 'second removal', 'shared']);
  });

  it('are waited for no longer by who is aborted meanwhile', async () => {
    const uses = new PlaceUses();
    const release = await uses.exclude('a');
    const controller = new AbortController();
    const reason = new Error('gone');
    const shared = uses.share('a', controller.signal);
    controller.abort(reason);
    await expect(shared).rejects.toBe(reason);
    release();
    (await uses.exclude('a'))();
  });

  it('are not given to who has been aborted', async () => {
    const uses = new PlaceUses();
    const reason = new Error('gone');
    await expect(uses.share('a', AbortSignal.abort(reason))).rejects.toBe(reason);
    (await uses.exclude('a'))();
  });
});
