import type { TextOutput } from './output.ts';

/** What a drawing does while its terminal belongs to another program. */
export interface Suspendable {
  /** Before the process stops: gives the terminal back. */
  suspend(): void;
  /** When it continues: draws again. */
  resume(): void;
}

interface TerminalInput extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  /** Whether the terminal passes on every key as it is, without an echo. */
  setRawMode?(isRaw: boolean): unknown;
}

/** Everything outside the program that it touches. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: TerminalInput;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  /**
   * Aborted by the first Ctrl+C, SIGTERM or SIGHUP; with a {@link ReaderGone} or another error, if stdout cannot be
   * written any more.
   */
  readonly interrupt: AbortSignal;
  /** Registers a clean-up for an exit that waits for nothing. Returns a function that removes it again. */
  onLeave(cleanUp: () => void): () => void;
  /** Registers what happens around Ctrl+Z. Returns a function that removes it again. */
  onSuspend(drawing: Suspendable): () => void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** The reader of stdout has left, as `head` does. Known by its name: two bundles have two classes. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** Resolves with null when the signal aborts, to race against work that continues. */
export async function untilAborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return null;
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
}
