import { printable } from './text.ts';

/** A title and what stands beside it; null where nothing is known, then the row is left out. */
export type Row = readonly [title: string, text: string | null];

/** Facts under each other, each with its title and its line feed. */
export function rowsText(rows: readonly Row[]): string {
  const known = rows.filter((row): row is readonly [string, string] => row[1] !== null);
  const width = Math.max(...known.map(([title]) => title.length));
  return known.map(([title, text]) => `${title.padEnd(width)}  ${printable(text)}\n`).join('');
}
