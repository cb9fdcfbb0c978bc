import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeepAliveWheel } from '../../src/publish/keep-alive-wheel.ts';

const newItem = () => ({ lastTick: 0, slot: -1 });

describe('the keep-alive wheel', () => {
  it('names an item after it was idle for the span, and again after the next', () => {
    const wheel = createKeepAliveWheel(3);
    const item = newItem();
    wheel.add(item);
    const due = Array.from({ length: 9 }, () => wheel.advance().length);
    expect(due).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1]);
  });

  it('forgets what was removed', () => {
    const wheel = createKeepAliveWheel(2);
    const item = newItem();
    wheel.add(item);
    wheel.remove(item);
    for (let tick = 0; tick < 6; tick += 1) expect(wheel.advance()).toEqual([]);
  });

  it('never names an item that was touched within the span, and never leaves one out', () => {
    const touches = fc.array(fc.boolean(), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), touches, (span, touched) => {
        const wheel = createKeepAliveWheel(span);
        const item = newItem();
        wheel.add(item);
        let idle = 0;
        for (const isTouched of touched) {
          idle += 1;
          const isDue = wheel.advance().length === 1;
          expect(isDue).toBe(idle === span);
          if (isDue || isTouched) {
            wheel.touch(item);
            idle = 0;
          }
        }
      }),
    );
  });
});
