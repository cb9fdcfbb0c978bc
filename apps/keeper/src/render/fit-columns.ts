/** How wide a column is, and what may happen to it where there is no room. */
export interface Fit {
  /** Of its widest cell. */
  readonly natural: number;
  /** May be shortened to this before columns are left out. */
  readonly least: number;
  /** Where there is no room it is left out, those with the highest number first; null for one that always stays. */
  readonly rank: number | null;
}

/** The widths of columns that fit beside each other into `room`, with `gap` between two; 0 for one that is left out. */
export function fitColumns(columns: readonly Fit[], room: number, gap: number): number[] {
  const least = (column: Fit) => Math.min(column.natural, column.least);
  const total = (kept: ReadonlySet<Fit>, widthOf: (column: Fit) => number) =>
    [...kept].reduce((sum, column) => sum + widthOf(column), gap * (kept.size - 1));
  const kept = new Set(columns.filter(({ rank }) => rank === null));
  const others = columns.filter(({ rank }) => rank !== null).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  for (const column of others) {
    kept.add(column);
    if (total(kept, least) > room) kept.delete(column);
  }
  // Columns that always stay may still be too wide: then none of them has a least width.
  const floor = total(kept, least) > room ? () => 1 : least;
  // The widest are shortened first, all to the same width.
  let cap = Math.max(...columns.map(({ natural }) => natural));
  const capped = (column: Fit) => Math.min(column.natural, Math.max(floor(column), cap));
  while (cap > 1 && total(kept, capped) > room) cap -= 1;
  return columns.map((column) => (kept.has(column) ? capped(column) : 0));
}
