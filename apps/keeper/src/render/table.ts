import { pad, sentence, shorten, textWidth } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly side?: 'left' | 'right';
  /** Is shortened if the table is wider than the terminal. */
  readonly shrinks?: boolean;
}

const GAP = '  ';
const MIN_SHRUNK = 12;

/**
 * Rows below titles. `width` is that of the terminal; with null nothing is shortened.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | null): string {
  const cells = rows.map((row) => columns.map((column) => sentence(column.cell(row))));
  const lines = [columns.map((column) => column.title), ...cells];
  const widths = fitted(
    columns,
    columns.map((_, index) => Math.max(...lines.map((line) => textWidth(line[index] ?? '')))),
    width,
  );
  return lines
    .map((line) =>
      columns
        .map((column, index) => {
          const columnWidth = widths[index] ?? 0;
          return pad(shorten(line[index] ?? '', columnWidth), columnWidth, column.side);
        })
        .join(GAP)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** The widths, with the excess taken from the column that shrinks. */
function fitted<Row>(columns: readonly Column<Row>[], widths: readonly number[], width: number | null): number[] {
  const total = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1);
  const excess = width === null ? 0 : Math.max(0, total - width);
  return widths.map((each, index) =>
    columns[index]?.shrinks ? Math.max(Math.min(each, MIN_SHRUNK), each - excess) : each,
  );
}

/** A title and the text beside it; rows without a text are left out. */
export type Row = readonly [title: string, text: string | null];

/** Facts below each other, a line each. */
export function rowsText(rows: readonly Row[]): string {
  const known = rows.filter((row): row is readonly [string, string] => row[1] !== null);
  const width = Math.max(...known.map(([title]) => title.length));
  return known.map(([title, text]) => `${title.padEnd(width)}  ${sentence(text)}\n`).join('');
}
