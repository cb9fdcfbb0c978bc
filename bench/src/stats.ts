/** The middle one; the mean of the two in the middle when their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values have no median');
  const sorted = [...values].sort((left, right) => left - right);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  if (!Number.isInteger(half)) return upper;
  return ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** The median of those there are; null when one of them was not measured, or none. */
export function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 || known.length < values.length ? null : median(known);
}

/**
 * How many times the speed of `theirs` is `ours`: the ratio within each round, then the median. The machine's speed moves
 * between rounds, which a ratio of two medians would mix in. Both are in the order of the rounds.
 */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) throw new Error('a ratio needs both sides of every round');
  return median(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
}
