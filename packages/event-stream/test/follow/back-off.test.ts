import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs, defaultBackOff } from '../../src/follow/back-off.ts';

const rule = { baseMs: 200, maxMs: 5_000 };

describe('back-off', () => {
  it('doubles up to the limit', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 1_000_000].map((failures) => backOffMs(rule, failures, () => 0.5));
    expect(delays).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it('allows at most five requests in 5 s to a peer that drops every connection, whatever the jitter', () => {
    const shortest = [1, 2, 3, 4, 5].map((failures) => backOffMs(defaultBackOff, failures, () => 0));
    expect(shortest.reduce((sum, delayMs) => sum + delayMs, 0)).toBeGreaterThan(5_000);
  });

  it('spreads by half in both directions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const middle = backOffMs(rule, failures, () => 0.5);
        const delay = backOffMs(rule, failures, () => random);
        expect(delay).toBeGreaterThanOrEqual(middle * 0.5);
        expect(delay).toBeLessThanOrEqual(middle * 1.5);
      }),
    );
  });
});
