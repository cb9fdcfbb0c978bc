/** Where a reader's bytes go. One owner; `end` and `destroy` may be called more than once. */
export interface Sink {
  /** False when the bytes were taken but more should wait for `onDrain` (or the reader has gone). */
  write(frame: { readonly chunked: Buffer; readonly plain: Buffer }): boolean;
  /** Ends the stream after what was written. */
  end(): void;
  /** Closes the connection at once. */
  destroy(): void;
  /** To be called once. */
  onDrain(listener: () => void): void;
  /** Called exactly once, whoever closed it; at once when it is already closed. */
  onClose(listener: () => void): void;
}
