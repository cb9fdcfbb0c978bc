import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/downloads/slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('are granted in the order of the requests', async () => {
    const slots = new Slots(2);
    const release = [await slots.acquire(never, () => 0), await slots.acquire(never, () => 0)];
    const order: string[] = [];
    const waiting = ['third', 'fourth'].map(async (name) => {
      const releaseAgain = await slots.acquire(never, () => 0);
      order.push(name);
      return releaseAgain;
    });
    expect(order).toEqual([]);
    release[0]?.();
    await waiting[0];
    expect(order).toEqual(['third']);
    release[1]?.();
    await waiting[1];
    expect(order).toEqual(['third', 'fourth']);
  });

  it('are not lost by a waiter that aborts, nor gained by a second release', async () => {
    const slots = new Slots(1);
    const release = await slots.acquire(never, () => 0);
    const controller = new AbortController();
    const gaveUp = slots.acquire(controller.signal, () => 0);
    const next = slots.acquire(never, () => 0);
    controller.abort(new Error('no more'));
    await expect(gaveUp).rejects.toThrow('no more');
    release();
    release();
    const releaseNext = await next;
    let isAcquired = false;
    const last = slots
      .acquire(never, () => 0)
      .then(() => {
        isAcquired = true;
      });
    await Promise.resolve();
    expect(isAcquired).toBe(false);
    releaseNext();
    await last;
  });

  it('are not granted after an abort', async () => {
    await expect(new Slots(1).acquire(AbortSignal.abort(new Error('gone')), () => 0)).rejects.toThrow('gone');
  });

  it('go to the highest priority first, as it is when a slot becomes free', async () => {
    const slots = new Slots(1);
    const release = await slots.acquire(never, () => 0);
    const order: string[] = [];
    const priorities: Record<string, number> = { low: -1, normal: 0, high: 5, raised: 0 };
    const waiting = Object.keys(priorities).map(async (name) => {
      const releaseAgain = await slots.acquire(never, () => priorities[name] ?? 0);
      order.push(name);
      releaseAgain();
    });
    priorities['raised'] = 9;
    release();
    await Promise.all(waiting);
    expect(order).toEqual(['raised', 'high', 'normal', 'low']);
  });

  it('grow immediately, and shrink as they are released', async () => {
    const slots = new Slots(1);
    const release = [await slots.acquire(never, () => 0)];
    const second = slots.acquire(never, () => 0);
    slots.resize(2);
    release.push(await second);
    slots.resize(1);
    let isAcquired = false;
    const third = slots
      .acquire(never, () => 0)
      .then((releaseThird) => {
        isAcquired = true;
        return releaseThird;
      });
    release[0]?.();
    await Promise.resolve();
    expect(isAcquired).toBe(false);
    release[1]?.();
    (await third)();
  });
});
