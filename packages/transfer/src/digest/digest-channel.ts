/** What the main thread gives a digest worker at its start. */
export interface DigestTask {
  readonly path: string;
  /** Size for the header of a git blob; null where no git sha1 is asked for. */
  readonly gitSize: number | null;
  readonly shared: DigestShared;
}

/** Memory that both threads see, so that moving the frontier costs no message. */
export interface DigestShared {
  /** Two cells: bytes that may be read, and where the file ends (`unknownEnd` until that is known). */
  readonly offsets: BigInt64Array<SharedArrayBuffer>;
  /** One cell that counts changes: the worker sleeps on it. */
  readonly changes: Int32Array<SharedArrayBuffer>;
}

export const FRONTIER_CELL = 0;
export const END_CELL = 1;
export const unknownEnd = -1n;

/** The worker's one answer. */
export type DigestResult =
  | { readonly kind: 'done'; readonly sha256: string; readonly gitSha1: string | null }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | null };
