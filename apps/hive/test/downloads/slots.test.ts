import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/downloads/slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('are given out in the order they were asked for', async () => {
    const slots = new Slots(2);
    const leave = [await slots.take(never), await slots.take(never)];
    const order: string[] = [];
    const waiting = ['third', 'fourth'].map(async (name) => {
      const leaveAgain = await slots.take(never);
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
    const leave = await slots.take(never);
    const controller = new AbortController();
    const gaveUp = slots.take(controller.signal);
    const next = slots.take(never);
    controller.abort(new Error('no more'));
    await expect(gaveUp).rejects.toThrow('no more');
    leave();
    leave();
    const leaveNext = await next;
    let taken = false;
    const last = slots.take(never).then(() => {
      taken = true;
    });
    await Promise.resolve();
    expect(taken).toBe(false);
    leaveNext();
    await last;
  });

  it('are not given to somebody who has left already', async () => {
    await expect(new Slots(1).take(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });
});
