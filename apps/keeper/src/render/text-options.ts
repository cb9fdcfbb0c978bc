/** What the texts of results depend on. */
export interface TextOptions {
  /** Columns of the terminal; null without one. */
  readonly width: number | null;
  /** Whether nothing is shortened and every column is shown. */
  readonly isWide: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}
