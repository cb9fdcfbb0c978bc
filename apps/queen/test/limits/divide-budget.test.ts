import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideBudget } from '../../src/limits/divide-budget.ts';

const amount = fc.oneof(fc.integer({ min: 0, max: 1_000_000_000 }), fc.constant(Number.POSITIVE_INFINITY));
const claims = fc.array(fc.record({ demand: amount, cap: amount }), { maxLength: 50 });
const budget = fc.integer({ min: 1, max: 10_000_000_000 });
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
/** Shares are whole numbers: each may be off by one. */
const ROUNDING = 2;

describe('the division of a budget', () => {
  it('never gives more than the budget, nor any hive more than its cap', () => {
    fc.assert(
      fc.property(claims, budget, (wanted, all) => {
        const shares = divideBudget(wanted, all);
        expect(shares).toHaveLength(wanted.length);
        expect(sum(shares)).toBeLessThanOrEqual(all);
        for (const [index, share] of shares.entries()) {
          expect(Number.isInteger(share) && share >= 0).toBe(true);
          expect(share).toBeLessThanOrEqual(wanted[index]?.cap ?? 0);
        }
      }),
    );
  });

  it('leaves nothing unused that a hive may use', () => {
    fc.assert(
      fc.property(claims, budget, (wanted, all) => {
        const shares = divideBudget(wanted, all);
        const takeable = Math.min(all, sum(wanted.map(({ cap }) => cap)));
        expect(sum(shares)).toBeGreaterThanOrEqual(takeable - ROUNDING * wanted.length);
      }),
    );
  });

  it('leaves no hive short while another has more than it can use, or more than the short one', () => {
    fc.assert(
      fc.property(claims, budget, (wanted, all) => {
        const shares = divideBudget(wanted, all);
        for (const [index, { demand, cap }] of wanted.entries()) {
          const share = shares[index] ?? 0;
          if (share >= Math.min(demand, cap) - ROUNDING) continue;
          for (const other of shares) expect(other).toBeLessThanOrEqual(share + ROUNDING);
        }
      }),
    );
  });

  it.each([
    ['two that want everything get half each', 100, [Infinity, Infinity], [Infinity, Infinity], [50, 50]],
    ['the rest of one goes to the other', 100, [10, Infinity], [Infinity, Infinity], [10, 90]],
    [
      'a cap holds, and the rest is divided',
      100,
      [Infinity, Infinity, Infinity],
      [10, Infinity, Infinity],
      [10, 45, 45],
    ],
    ['bandwidth without demand is spread', 100, [10, 20], [Infinity, Infinity], [45, 55]],
    ['a single one gets everything', 100, [5], [Infinity], [100]],
    ['no hives, no shares', 100, [], [], []],
  ])('%s', (_, all, demands, caps, shares) => {
    const wanted = demands.map((demand, index) => ({ demand, cap: caps[index] ?? 0 }));
    expect(divideBudget(wanted, all)).toEqual(shares);
  });
});
