import type { Gguf } from '@rbee/contract';

/** What the worker is started with. */
export interface GgufTask {
  /** The file's name, for what is missing in its header. */
  readonly name: string;
}

/** What the worker posts: it requests bytes `[start, end)` until it has a result. */
export type FromWorker =
  | { readonly kind: 'read'; readonly start: number; readonly end: number }
  | { readonly kind: 'done'; readonly gguf: Gguf }
  | { readonly kind: 'failed'; readonly message: string };

/** The requested bytes; fewer at the end of the file. */
export interface ToWorker {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Size of the whole file; null while it is unknown. */
  readonly total: number | null;
}
