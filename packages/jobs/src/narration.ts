import { AsyncLocalStorage } from 'node:async_hooks';
import type { NarrationLevel } from '@rbee/contract';

/** What is said, before it is known to whom. */
export interface Line {
  /** For a program: `download_start`. */
  readonly action: string;
  /** For a person, in one line. */
  readonly human: string;
  readonly level: NarrationLevel;
}

/** Whoever hears what is said inside {@link withListener}: a job, or everybody who waits for one download. */
export interface Listener {
  onLine(line: Line): void;
}

const listening = new AsyncLocalStorage<Listener>();

/**
 * Runs `work` so that whatever narrates inside it, however deep and however late (timers, streams, workers that are
 * started there), is heard by `listener` and by nobody else.
 */
export function withListener<T>(listener: Listener, work: () => T): T {
  return listening.run(listener, work);
}

/** Says something to the job it belongs to. What belongs to no job reaches no stream: the answer is then false. */
export function narrate(action: string, human: string, level: NarrationLevel = 'info'): boolean {
  const listener = listening.getStore();
  listener?.onLine({ action, human, level });
  return listener !== undefined;
}

/**
 * `fn`, tied to the job of this moment. For callbacks that somebody else calls from a context of their own: a listener
 * on a shared emitter, a pool's worker.
 */
export function bindNarration<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
): (...args: Args) => Result {
  return AsyncLocalStorage.bind(fn);
}
