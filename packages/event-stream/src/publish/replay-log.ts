/** A bounded history whose events are numbered 1, 2, 3, … */
export interface ReplayLog<T> {
  /** Keeps `event` and returns its sequence. */
  append(event: T): number;
  /** Drops all events except the newest. */
  dropOlder(): void;
  /** Sequence of the oldest kept event; `lastSequence + 1` when nothing is kept. */
  readonly firstSequence: number;
  /** Sequence of the newest event, 0 before the first. */
  readonly lastSequence: number;
  at(sequence: number): T | undefined;
}

/** Keeps the last `limit` events. Throws an Error when that is not a whole number from 1. */
export function createReplayLog<T>(limit: number): ReplayLog<T> {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new Error('a history keeps at least one event');
  // A ring: sequences have no holes, so the place of an event follows from its number.
  const ring: T[] = [];
  let lastSequence = 0;
  let droppedUpTo = 0;
  const firstSequence = () => Math.max(droppedUpTo + 1, lastSequence - limit + 1);
  const at = (sequence: number) =>
    sequence < firstSequence() || sequence > lastSequence ? undefined : ring[(sequence - 1) % limit];

  return {
    append(event) {
      ring[lastSequence % limit] = event;
      lastSequence += 1;
      return lastSequence;
    },
    dropOlder() {
      const newest = at(lastSequence);
      if (newest === undefined) return;
      droppedUpTo = lastSequence - 1;
      ring.length = 0;
      ring[droppedUpTo % limit] = newest;
    },
    get firstSequence() {
      return firstSequence();
    },
    get lastSequence() {
      return lastSequence;
    },
    at,
  };
}
