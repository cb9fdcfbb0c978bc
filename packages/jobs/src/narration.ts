import { AsyncLocalStorage } from 'node:async_hooks';
import type { NarrationLevel } from '@rbee/contract';

/** One line of narration, before it belongs to a job. */
export interface Line {
  /** For a program: `download_start`. */
  readonly action: string;
  /** For a person, in one line. */
  readonly human: string;
  readonly level: NarrationLevel;
}

/** Receives the narration inside {@link withListener}: a job, or all jobs that wait for one download. */
export interface Listener {
  onLine(line: Line): void;
}

const listening = new AsyncLocalStorage<Listener>();

/**
 * Runs `work` so that all narration inside it, however deep and however late (timers, streams, workers started there),
 * goes to `listener` and to nobody else.
 */
export function withListener<T>(listener: Listener, work: () => T): T {
  return listening.run(listener, work);
}

/** Narrates to the job of the current async context. Outside a job the line reaches no stream, and the result is false. */
export function narrate(action: string, human: string, level: NarrationLevel = 'info'): boolean {
  const listener = listening.getStore();
  listener?.onLine({ action, human, level });
  return listener !== undefined;
}

/**
 * `fn`, bound to the current job. For callbacks that are called from another context: a listener on a shared emitter, a
 * pool's worker.
 */
export function bindNarration<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
): (...args: Args) => Result {
  return AsyncLocalStorage.bind(fn);
}
