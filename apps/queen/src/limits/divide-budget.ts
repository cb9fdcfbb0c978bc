/** One hive that downloads. Bandwidths are bytes per second; `Infinity` is no limit. */
export interface Claim {
  /** What it could use at the moment. */
  readonly demand: number;
  /** What it may use at most. */
  readonly cap: number;
}

/**
 * Divides a bandwidth among hives: everybody gets the same, but nobody more than it can use while another wants more, and
 * nobody ever more than its cap. What is then left is spread in the same way up to the caps. The shares are whole numbers
 * in the order of the claims, and never more than the budget together.
 */
export function divideBudget(claims: readonly Claim[], budget: number): number[] {
  const wanted = claims.map(({ demand, cap }) => Math.min(demand, cap));
  const shares = fill(wanted, budget);
  const left = budget - sum(shares);
  const room = claims.map(({ cap }, index) => cap - (shares[index] ?? 0));
  const more = fill(room, left);
  return shares.map((share, index) => Math.floor(share + (more[index] ?? 0)));
}

/** Pours the budget over vessels of these sizes, so that all stand equally high but for those that are full. */
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
