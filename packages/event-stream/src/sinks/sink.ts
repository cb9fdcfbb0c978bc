/** Where a reader's bytes go. One owner; `end` and `destroy` may be called more than once. */
export interface Sink {
  /** False when the bytes were taken but the next ones should wait for `onDrain`, or when the reader has gone. */
  write(frame: { readonly chunked: Buffer; readonly plain: Buffer }): boolean;
  /** Ends the stream after everything written so far. */
  end(): void;
  /** Closes the connection immediately. */
  destroy(): void;
  /** Call it once. */
  onDrain(listener: () => void): void;
  /** Calls back exactly once, whichever side closed it; immediately when it is closed already. */
  onClose(listener: () => void): void;
}
