import type { Clock } from '@rbee/contract';
import { bindNarration } from './narration.ts';

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** The heartbeat is silent from the moment this aborts, even before the work has noticed. */
  readonly signal: AbortSignal;
  /** Called at each interval, in the async context of the caller of {@link withHeartbeat}. */
  readonly beat: () => void;
}

/**
 * Runs `work` with a heartbeat alongside. The heartbeat stops when the work ends, in whatever way, and on abort: there is
 * no path on which it outlives the work.
 */
export async function withHeartbeat<T>(options: HeartbeatOptions, work: () => Promise<T>): Promise<T> {
  const { clock, intervalMs, signal } = options;
  // Bound here, because a clock may call its timers from anywhere: without its job a heartbeat would reach no stream.
  const beat = bindNarration(options.beat);
  let cancelTimer = () => {};
  const schedule = () => {
    cancelTimer = clock.setTimer(intervalMs, () => {
      beat();
      schedule();
    });
  };
  const stop = () => cancelTimer();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (!signal.aborted) schedule();
    return await work();
  } finally {
    stop();
    signal.removeEventListener('abort', stop);
  }
}
