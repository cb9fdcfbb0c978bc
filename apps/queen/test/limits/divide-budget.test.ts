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

  it('leaves nothing unused that a hive may take', () => {
    fc.assert(
      fc.property(claims, budget, (wanted, all) => {
        const shares = divideBudget(wanted, all);
        const takeable = Math.min(all, sum(wanted.map(({ cap }) => cap)));
        expect(sum(shares)).toBeGreaterThanOrEqual(takeable - ROUNDING * wanted.length);
      }),
    );
  });

  it('lets nobody want while another has more than it can use, or more than the one that wants', () => {
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
    ['two that want all get a half each', 100, [Infinity, Infinity], [Infinity, Infinity], [50, 50]],
    ['what one cannot use goes to the other', 100, [10, Infinity], [Infinity, Infinity], [10, 90]],
    ['a cap holds, and the rest goes on', 100, [Infinity, Infinity, Infinity], [10, Infinity, Infinity], [10, 45, 45]],
    ['what nobody wants at the moment is spread', 100, [10, 20], [Infinity, Infinity], [45, 55]],
    ['one alone has all', 100, [5], [Infinity], [100]],
    ['nobody gets nothing', 100, [], [], []],
  ])('%s', (_, all, demands, caps, shares) => {
    const wanted = demands.map((demand, index) => ({ demand, cap: caps[index] ?? 0 }));
    expect(divideBudget(wanted, all)).toEqual(shares);
  });
});
