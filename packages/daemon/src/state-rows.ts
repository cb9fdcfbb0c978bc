import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { StateWriter } from './state-writer.ts';

/** A step of the schema: where rows go that cannot be read. */
export const BAD_ROWS_TABLE = `CREATE TABLE bad_rows (
     row TEXT PRIMARY KEY,
     problem TEXT NOT NULL,
     content TEXT NOT NULL
   ) STRICT`;

export type StateRow = Readonly<Record<string, SQLOutputValue>>;

export interface StateRowsDeps {
  /** With `BAD_ROWS_TABLE` among its migrations. */
  readonly db: DatabaseSync;
  readonly writer: Pick<StateWriter, 'write'>;
  /** Called with each row that cannot be read, such as `job job-…`. */
  readonly onBadRow: (row: string, problem: unknown) => void;
}

/** How to read the rows of a table. */
export interface StateTable<T> {
  /** Names a row, such as `job job-…`: as for the writer. */
  readonly nameOf: (row: StateRow) => string;
  /** @throws Error when this version cannot read the row */
  readonly read: (row: StateRow) => T;
  /** Deletes a row from its table. */
  readonly remove: (row: StateRow) => unknown;
}

/** Reads the rows of a daemon's state, each by itself: one that cannot be read must cost no other, nor the start. */
export class StateRows {
  readonly #deps: StateRowsDeps;
  #bad = 0;

  constructor(deps: StateRowsDeps) {
    this.#deps = deps;
  }

  /** Number of rows that could not be read, since the start. */
  get bad(): number {
    return this.#bad;
  }

  /** What can be read, in order. The rest is set aside, in the table `bad_rows`. */
  readAll<T>(rows: readonly StateRow[], { nameOf, read, remove }: StateTable<T>): T[] {
    return rows.flatMap((row) => {
      try {
        return [read(row)];
      } catch (error) {
        this.setAside(nameOf(row), error, row, () => remove(row));
        return [];
      }
    });
  }

  /** Keeps a row that cannot be read for people, and removes it from where it was. */
  setAside(name: string, problem: unknown, row: StateRow, remove: () => unknown): void {
    const { db, writer, onBadRow } = this.#deps;
    this.#bad += 1;
    onBadRow(name, problem);
    const insert = db.prepare('INSERT OR REPLACE INTO bad_rows (row, problem, content) VALUES (?, ?, ?)');
    const move = () => {
      insert.run(name, messageOf(problem), JSON.stringify(row));
      remove();
    };
    writer.write(name, move, 'soon');
  }
}

/** One line; a schema's problems are listed one by one in its message. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
}
