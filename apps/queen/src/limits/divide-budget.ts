/** One downloading hive. Bandwidths are bytes per second; `Infinity` is no limit. */
export interface Claim {
  /** Bandwidth that it could use at the moment. */
  readonly demand: number;
  /** Bandwidth that it may use at most. */
  readonly cap: number;
}

/**
 * Divides a bandwidth among hives by max-min fairness: equal shares, except that no hive gets more than it can use while
 * another wants more, and none ever more than its cap. The rest is spread in the same way up to the caps. The shares are
 * whole numbers in the order of the claims, and never add up to more than the budget.
 */
export function divideBudget(claims: readonly Claim[], budget: number): number[] {
  const wanted = claims.map(({ demand, cap }) => Math.min(demand, cap));
  const shares = fill(wanted, budget);
  const left = budget - sum(shares);
  const room = claims.map(({ cap }, index) => cap - (shares[index] ?? 0));
  const more = fill(room, left);
  return shares.map((share, index) => Math.floor(share + (more[index] ?? 0)));
}

/** Max-min fair shares ("water-filling"): all equal, except where a size is reached. */
function fill(sizes: readonly number[], budget: number): number[] {
  const filled = sizes.map(() => 0);
  const bySize = sizes.map((_, index) => index).sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
  let left = budget;
  for (const [done, index] of bySize.entries()) {
    const level = Math.min(sizes[index] ?? 0, left / (bySize.length - done));
    filled[index] = level;
    left -= level;
  }
  return filled;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
