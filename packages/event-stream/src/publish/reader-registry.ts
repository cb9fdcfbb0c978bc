import { encodeComment } from '../frame.ts';
import { type FanOut, passOver } from './fan-out.ts';
import { createKeepAliveWheel } from './keep-alive-wheel.ts';
import type { Reader, ReaderWatch } from './reader.ts';

/** Monotonic milliseconds, and a repeating timer that does not keep the process alive. */
export interface StreamClock {
  now(): number;
  /** Calls back every `intervalMs`; returns a function that stops it. */
  every(intervalMs: number, callback: () => void): () => void;
}

export interface ReaderLimits {
  keepAliveMs: number;
  lagLimitMs: number;
}

/** What has happened to the streams of a hub since its start. Counts only rise. */
export interface StreamCounts {
  /** Writes to sinks; one may carry several events. */
  readonly writes: number;
  /** Times that a reader which fell behind was skipped to a newer state. */
  readonly skips: number;
  /** Events that these readers did not get. */
  readonly skippedEvents: number;
  /** Readers closed because they took no byte for too long. */
  readonly closedStalled: number;
}

/** All open streams of a hub, with the one timer that keeps idle ones alive and closes the ones that lag for too long. */
export interface ReaderRegistry extends ReaderWatch {
  readonly size: number;
  readonly counts: StreamCounts;
  readers(): Reader[];
  add(reader: Reader): void;
  remove(reader: Reader): void;
  /** Resolves when no stream is open. */
  whenEmpty(): Promise<void>;
}

const ticksPerLimit = 16;
const minTickMs = 5;

export function createReaderRegistry(limits: ReaderLimits, clock: StreamClock, fanOut: FanOut): ReaderRegistry {
  const { keepAliveMs, lagLimitMs } = limits;
  const tickMs = Math.max(minTickMs, Math.floor(Math.min(keepAliveMs, lagLimitMs) / ticksPerLimit));
  // One tick early, since a timer may be late and a reader must not wait longer than promised.
  const wheel = createKeepAliveWheel<Reader>(Math.max(1, Math.floor(keepAliveMs / tickMs) - 1));
  const comment = encodeComment('keep-alive');
  const readers = new Set<Reader>();
  const stalledSince = new Map<Reader, number>();
  const counts = { writes: 0, skips: 0, skippedEvents: 0, closedStalled: 0 };
  const destroyed = new WeakSet<Reader>();
  const onEmpty: (() => void)[] = [];
  let stopTimer: (() => void) | null = null;

  function tick(): void {
    const due = wheel.advance();
    if (due.length > 0) fanOut.run(passOver(due, keepAlive));
    const now = clock.now();
    for (const [reader, since] of stalledSince) {
      if (now - since < lagLimitMs) continue;
      // It stays in the map until it has closed, so that a sink which is slow to close is closed again.
      if (!destroyed.has(reader)) counts.closedStalled += 1;
      destroyed.add(reader);
      reader.destroy();
    }
  }

  function keepAlive(reader: Reader): void {
    if (readers.has(reader)) reader.keepAlive(comment);
  }

  return {
    get size() {
      return readers.size;
    },
    readers: () => [...readers],
    add(reader) {
      readers.add(reader);
      wheel.add(reader);
      stopTimer ??= clock.every(tickMs, tick);
    },
    remove(reader) {
      readers.delete(reader);
      wheel.remove(reader);
      stalledSince.delete(reader);
      if (readers.size > 0) return;
      stopTimer?.();
      stopTimer = null;
      for (const resolve of onEmpty.splice(0)) resolve();
    },
    whenEmpty: () => (readers.size === 0 ? Promise.resolve() : new Promise((resolve) => onEmpty.push(resolve))),
    counts,
    wrote(reader) {
      counts.writes += 1;
      wheel.touch(reader);
    },
    skipped(events) {
      if (events <= 0) return;
      counts.skips += 1;
      counts.skippedEvents += events;
    },
    stalled(reader) {
      if (readers.has(reader) && !stalledSince.has(reader)) stalledSince.set(reader, clock.now());
    },
    recovered(reader) {
      stalledSince.delete(reader);
    },
  };
}
