/** Time as it is handed to everything that waits or measures, so that a test can hold it in its hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`; the answer cancels it. */
  setTimer(ms: number, fn: () => void): () => void;
}

/** The machine's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** An instant as the wire carries it: RFC 3339 in UTC with milliseconds. */
export function toTimestamp(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds as the seconds of the wire, to the millisecond. */
export function toSeconds(ms: number): number {
  return Math.max(0, Math.round(ms)) / 1000;
}
