/** A candidate may differ from the word by at most this share of its length. */
const MAX_WRONG_SHARE = 0.4;
const MAX_COMPARED_CHARS = 64;

/** The candidate closest to a misspelt word; null if none is close enough. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const wanted = word.slice(0, MAX_COMPARED_CHARS).toLowerCase();
  let best: { readonly candidate: string; readonly distance: number } | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.slice(0, MAX_COMPARED_CHARS).toLowerCase());
    const isNear = distance <= Math.max(1, Math.floor(wanted.length * MAX_WRONG_SHARE));
    if (isNear && (best === null || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

/** `did you mean "gpu-1"? ` with a trailing space; empty if nothing is close enough. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  return near === null ? '' : `did you mean "${near}"? `;
}

/** Damerau-Levenshtein distance, restricted to adjacent swaps. */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= from.length; row += 1) {
    const line = [row];
    rows.push(line);
    for (let column = 1; column <= to.length; column += 1) {
      const change = from[row - 1] === to[column - 1] ? 0 : 1;
      let least = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + change);
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && isSwap) least = Math.min(least, at(row - 2, column - 2) + 1);
      line.push(least);
    }
  }
  return at(from.length, to.length);
}
