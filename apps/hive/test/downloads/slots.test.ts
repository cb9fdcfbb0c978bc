import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/downloads/slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('are given out in the order they were asked for', async () => {
    const slots = new Slots(2);
    const leave = [await slots.acquire(never, () => 0), await slots.acquire(never, () => 0)];
    const order: string[] = [];
    const waiting = ['third', 'fourth'].map(async (name) => {
      const leaveAgain = await slots.acquire(never, () => 0);
      order.push(name);
      return leaveAgain;
    });
    expect(order).toEqual([]);
    leave[0]?.();
    await waiting[0];
    expect(order).toEqual(['third']);
    leave[1]?.();
    await waiting[1];
    expect(order).toEqual(['third', 'fourth']);
  });

  it('are not lost by a waiter that gives up, nor by one place given back twice', async () => {
    const slots = new Slots(1);
    const leave = await slots.acquire(never, () => 0);
    const controller = new AbortController();
    const gaveUp = slots.acquire(controller.signal, () => 0);
    const next = slots.acquire(never, () => 0);
    controller.abort(new Error('no more'));
    await expect(gaveUp).rejects.toThrow('no more');
    leave();
    leave();
    const leaveNext = await next;
    let taken = false;
    const last = slots
      .acquire(never, () => 0)
      .then(() => {
        taken = true;
      });
    await Promise.resolve();
    expect(taken).toBe(false);
    leaveNext();
    await last;
  });

  it('are not given to somebody who has left already', async () => {
    await expect(new Slots(1).acquire(AbortSignal.abort(new Error('gone')), () => 0)).rejects.toThrow('gone');
  });

  it('go to the highest priority first, as it is when a place is free', async () => {
    const slots = new Slots(1);
    const leave = await slots.acquire(never, () => 0);
    const order: string[] = [];
    const priorities: Record<string, number> = { low: -1, normal: 0, high: 5, raised: 0 };
    const waiting = Object.keys(priorities).map(async (name) => {
      const leaveAgain = await slots.acquire(never, () => priorities[name] ?? 0);
      order.push(name);
      leaveAgain();
    });
    priorities['raised'] = 9;
    leave();
    await Promise.all(waiting);
    expect(order).toEqual(['raised', 'high', 'normal', 'low']);
  });

  it('become more at once, and fewer as they are given back', async () => {
    const slots = new Slots(1);
    const leave = [await slots.acquire(never, () => 0)];
    const second = slots.acquire(never, () => 0);
    slots.resize(2);
    leave.push(await second);
    slots.resize(1);
    let taken = false;
    const third = slots
      .acquire(never, () => 0)
      .then((leaveThird) => {
        taken = true;
        return leaveThird;
      });
    leave[0]?.();
    await Promise.resolve();
    expect(taken).toBe(false);
    leave[1]?.();
    (await third)();
  });
});
