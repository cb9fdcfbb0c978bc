import type { Gguf } from '@rbee/contract';

/** What the worker is told at its start. */
export interface GgufTask {
  /** The file's name, for what its header does not say. */
  readonly name: string;
}

/** What the worker says: it asks for bytes `[start, end)` until it can answer. */
export type FromWorker =
  | { readonly kind: 'read'; readonly start: number; readonly end: number }
  | { readonly kind: 'done'; readonly gguf: Gguf }
  | { readonly kind: 'failed'; readonly message: string };

/** The bytes that were asked for, fewer at the end of the file. */
export interface ToWorker {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of the whole file; null while it is unknown. */
  readonly total: number | null;
}
