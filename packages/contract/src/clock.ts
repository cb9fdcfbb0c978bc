/** The clock of everything that waits or measures, so that a test can control it. */
export interface Clock {
  /** Milliseconds since the Unix epoch: a time of day, which people and NTP set forward and back. */
  now(): number;
  /** Milliseconds since some moment, which nobody sets: the measure of every duration. */
  elapsed(): number;
  /** Calls `fn` once after `ms`. Returns a function that cancels it. */
  setTimer(ms: number, fn: () => void): () => void;
}

/** The system clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A timestamp as sent over the wire: RFC 3339 in UTC with milliseconds. */
export function toTimestamp(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds as seconds with three decimals, as sent over the wire. */
export function toSeconds(ms: number): number {
  return Math.max(0, Math.round(ms)) / 1000;
}
