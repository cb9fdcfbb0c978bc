/** The task of a digest worker. */
export interface DigestTask {
  readonly path: string;
  /** Size for the header of a git blob; null if no git sha1 is wanted. */
  readonly gitSize: number | null;
  readonly shared: DigestShared;
}

/** Memory shared by both threads, so that moving the frontier takes no message. */
export interface DigestShared {
  /** Two cells: how many bytes may be read, and where the file ends (`unknownEnd` until known). */
  readonly offsets: BigInt64Array<SharedArrayBuffer>;
  /** One cell that counts changes; the worker sleeps on it. */
  readonly changes: Int32Array<SharedArrayBuffer>;
}

export const FRONTIER_CELL = 0;
export const END_CELL = 1;
export const unknownEnd = -1n;

/** The one message of the worker. */
export type DigestResult =
  | { readonly kind: 'done'; readonly sha256: string; readonly gitSha1: string | null }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | null };
