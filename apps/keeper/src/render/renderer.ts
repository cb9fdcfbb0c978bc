import type { Failure } from '../errors/failure.ts';
import type { WatchEvent } from '../watch-event.ts';

/**
 * What a command shows: an answer, the end of downloads of its own (`download`) or of any (`watch`), all downloads that
 * come and go (`fleet`), the ids of what it has started (`detach`), or a job's narration (`narrate`).
 */
export type Display = 'ask' | 'download' | 'watch' | 'fleet' | 'detach' | 'narrate';

/** How a command's results, events and errors reach the user. Results go to stdout, all else to stderr. */
export interface Renderer {
  /** Something that happened in what is being followed. */
  event(event: WatchEvent): void;
  /**
   * The answer of a command: `data` for programs, `text` (lines, each with its line feed) for people. `notes` is what
   * people should know beside it and programs find in `data`.
   */
  answer(data: unknown, text: () => string, notes?: () => string): void;
  /** A line about what the keeper itself does. */
  note(text: string): void;
  failure(failure: Failure): void;
  /** Leaves the terminal as it was found. Nothing may follow. Again is fine. */
  close(): void;
}

export interface Output {
  write(text: string): unknown;
}
