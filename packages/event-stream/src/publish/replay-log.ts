import { sequenceOf } from '../event-id.ts';

/** What a reader missed: all of it, or what is left of it after `missed` events were dropped. */
export type Replay<T> =
  | { readonly kind: 'events'; readonly events: readonly T[] }
  | { readonly kind: 'gap'; readonly missed: number; readonly events: readonly T[] };

export interface ReplayLogOptions {
  /** First half of every id, `<epoch>.<sequence>`. */
  epoch: string;
  /** Events kept; the oldest is dropped for the next one. */
  limit: number;
}

/** A bounded history whose events are numbered 1, 2, 3, … */
export interface ReplayLog<T> {
  /** Keeps `event` and returns its sequence. */
  append(event: T): number;
  /** Drops all events but the newest. */
  dropOlder(): void;
  /** Sequence of the oldest kept event; `lastSequence + 1` when nothing is kept. */
  readonly firstSequence: number;
  /** Sequence of the newest event, 0 before the first. */
  readonly lastSequence: number;
  at(sequence: number): T | undefined;
  /** What came after that id. With no id, or one of another epoch, a reader has had nothing. */
  after(lastEventId: string | null): Replay<T>;
}

/** Throws an Error when the limit is not a whole number from 1. */
export function createReplayLog<T>(options: ReplayLogOptions): ReplayLog<T> {
  const { epoch, limit } = options;
  if (!Number.isSafeInteger(limit) || limit < 1) throw new Error('a history keeps at least one event');
  // A ring: sequences have no holes, so the place of an event follows from its number.
  const ring: T[] = [];
  let lastSequence = 0;
  let droppedUpTo = 0;
  const firstSequence = () => Math.max(droppedUpTo + 1, lastSequence - limit + 1);
  const at = (sequence: number) =>
    sequence < firstSequence() || sequence > lastSequence ? undefined : ring[(sequence - 1) % limit];

  function after(lastEventId: string | null): Replay<T> {
    const had = sequenceOf(lastEventId, epoch);
    const missed = Math.max(0, firstSequence() - 1 - had);
    const events: T[] = [];
    for (let sequence = Math.max(had + 1, firstSequence()); sequence <= lastSequence; sequence += 1) {
      const event = at(sequence);
      if (event !== undefined) events.push(event);
    }
    return missed > 0 ? { kind: 'gap', missed, events } : { kind: 'events', events };
  }

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
    after,
  };
}
