interface TerminalStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Everything outside the program that it touches. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  /** Aborted by the first Ctrl+C or SIGTERM. */
  readonly interrupt: AbortSignal;
  /** Registers a clean-up for an exit that waits for nothing. Returns a function that removes it again. */
  onLeave(cleanUp: () => void): () => void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** Resolves with null when the signal aborts, to race against work that continues. */
export async function untilAborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return null;
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
}
