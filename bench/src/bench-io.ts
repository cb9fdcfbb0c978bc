/** What a bench is given of the outside. */
export interface BenchIo {
  readonly signal: AbortSignal;
  /** The result. */
  readonly print: (text: string) => void;
  /** What happens meanwhile. */
  readonly tell: (line: string) => void;
  readonly path: string;
}
