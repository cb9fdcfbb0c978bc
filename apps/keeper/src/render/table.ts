import { fitColumns } from './fit-columns.ts';
import { pad, sentence, shorten, textWidth, wrap } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly side?: 'left' | 'right';
  /** In a narrow terminal it may become as short as this before columns are left out. */
  readonly least?: number;
  /** In a narrow terminal it is left out, those with the highest number first. Without one it always stays. */
  readonly rank?: number;
}

const GAP = '  ';

/** Rows below titles, no line wider than `width`, which is that of the terminal; with null nothing is shortened. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | null): string {
  const cells = rows.map((row) => columns.map((column) => sentence(column.cell(row))));
  const lines = [columns.map((column) => column.title), ...cells];
  const natural = columns.map((_, index) => Math.max(...lines.map((line) => textWidth(line[index] ?? ''))));
  const fits = columns.map(({ least = Number.POSITIVE_INFINITY, rank = null }, index) => ({
    natural: natural[index] ?? 0,
    least,
    rank,
  }));
  const widths = width === null ? natural : fitColumns(fits, width, GAP.length);
  const shown = columns.flatMap(({ side }, index) =>
    fits[index]?.rank === null || widths[index] ? [{ side, index }] : [],
  );
  return lines
    .map((line) =>
      shown
        .map(({ side, index }) => pad(shorten(line[index] ?? '', widths[index] ?? 0), widths[index] ?? 0, side))
        .join(GAP)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** A title and the text beside it; rows without a text are left out. */
export type Row = readonly [title: string, text: string | null];

/** Facts below each other, a line each, or several in a terminal of `width` columns; a word without a space stays whole. */
export function rowsText(rows: readonly Row[], width: number | null): string {
  const known = rows.filter((row): row is readonly [string, string] => row[1] !== null);
  const titleWidth = Math.max(...known.map(([title]) => title.length));
  const lines = (text: string) => (width === null ? [text] : wrap(text, width - titleWidth - GAP.length));
  return known
    .map(([title, text]) => {
      const [first = '', ...more] = lines(sentence(text));
      return [title.padEnd(titleWidth) + GAP + first, ...more.map((line) => ' '.repeat(titleWidth) + GAP + line)];
    })
    .map((block) => `${block.join('\n')}\n`)
    .join('');
}
