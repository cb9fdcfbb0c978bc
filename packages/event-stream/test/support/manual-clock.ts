import type { StreamClock } from '../../src/publish/reader-registry.ts';

export interface ManualClock extends StreamClock {
  /** Moves on and calls back what became due, in order. */
  advance(ms: number): void;
  readonly timers: number;
}

export function createManualClock(): ManualClock {
  const timers = new Set<{ dueMs: number; intervalMs: number; callback: () => void }>();
  let nowMs = 0;
  return {
    now: () => nowMs,
    every(intervalMs, callback) {
      const timer = { dueMs: nowMs + intervalMs, intervalMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const next = [...timers].sort((a, b) => a.dueMs - b.dueMs)[0];
        if (next === undefined || next.dueMs > endMs) break;
        nowMs = next.dueMs;
        next.dueMs += next.intervalMs;
        next.callback();
      }
      nowMs = endMs;
    },
    get timers() {
      return timers.size;
    },
  };
}
