export interface ManualClock {
  /** Milliseconds since the epoch; changed only by `advance` and `set`. */
  now(): number;
  /** Milliseconds since the clock was made; changed only by `advance`. */
  elapsed(): number;
  /** Calls `fn` once, `ms` from now; returns a function that cancels it. */
  setTimer(ms: number, fn: () => void): () => void;
  /** Advances time and calls every timer that is due, in order, each at its own time. */
  advance(ms: number): void;
  /** Sets the time of day, forward or back. Timers and durations do not notice. */
  set(nowMs: number): void;
  /** Pending timers. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly fn: () => void;
}

const defaultStartMs = Date.UTC(2025, 0, 1);
/** A timer that re-arms itself without delay would never end; this many in one `advance` are a bug in the test. */
const maxTimersPerAdvance = 1_000_000;

/** The product's clock, advanced by hand. */
export function createManualClock(startMs: number = defaultStartMs): ManualClock {
  let elapsed = 0;
  /** The time of day at `elapsed` 0. */
  let epoch = startMs;
  // A Set keeps insertion order, so timers of the same time are called in the order they were set.
  const timers = new Set<Timer>();

  function nextDue(until: number): Timer | null {
    let due: Timer | null = null;
    for (const timer of timers) if (timer.at <= until && (due === null || timer.at < due.at)) due = timer;
    return due;
  }

  return {
    now: () => epoch + elapsed,
    elapsed: () => elapsed,
    setTimer(ms, fn) {
      const timer: Timer = { at: elapsed + Math.max(0, ms), fn };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    advance(ms) {
      if (!(ms >= 0)) throw new Error(`a clock cannot be advanced by ${ms} ms`);
      const until = elapsed + ms;
      for (let fired = 0; ; fired += 1) {
        const timer = nextDue(until);
        if (timer === null) break;
        if (fired >= maxTimersPerAdvance) throw new Error(`more than ${maxTimersPerAdvance} timers in one advance`);
        timers.delete(timer);
        elapsed = timer.at;
        timer.fn();
      }
      elapsed = until;
    },
    set(nowMs) {
      epoch = nowMs - elapsed;
    },
    get pending() {
      return timers.size;
    },
  };
}
