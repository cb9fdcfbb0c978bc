import type { Failure } from '../errors/failure.ts';
import type { WatchEvent } from '../watch-event.ts';

/**
 * What a command shows: a result, its own downloads (`download`), others' (`watch`), all downloads of the fleet as they
 * come and go (`fleet`), the ids of started downloads (`detach`), or a job's narration (`narrate`).
 */
export type Display = 'result' | 'download' | 'watch' | 'fleet' | 'detach' | 'narrate';

/** Shows a command's results on stdout, and its events and errors on stderr. */
export interface Renderer {
  /** Shows an event of a followed job or download. */
  event(event: WatchEvent): void;
  /**
   * Shows the result of a command: `data` for programs, `text` for people. `notes` are lines for people about things that
   * programs find in `data`.
   */
  result(data: unknown, text: () => string, notes?: () => string): void;
  /** The models whose results follow: they are printed in this order, in whatever order the downloads end. */
  expect(models: readonly string[]): void;
  /** Shows a line about the keeper itself. */
  note(text: string): void;
  failure(failure: Failure): void;
  /** Leaves the terminal to a question. Returns a function that takes it back. */
  rest?(): () => void;
  /** Restores the terminal. Nothing may follow, except another close. */
  close(): void;
}

export interface Output {
  write(text: string): unknown;
}
