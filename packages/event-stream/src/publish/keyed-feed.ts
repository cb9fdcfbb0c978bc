import { encodeFrame, type Frame, type SseEvent } from '../frame.ts';
import {
  createBatchCache,
  type Entry,
  type EventKind,
  entriesAfter,
  joinEntries,
  type LiveFeed,
  type ReaderFeed,
} from './feed.ts';

// Bounds what one burst can pile up before it is delivered.
const maxRecent = 1_024;
// Bounds what is kept for readers that lag: past it the oldest event that should not be skipped is dropped.
const maxPendingKeeps = 1_024;
// Ends kept for readers that come back.
const maxEnds = 1_024;

/** The newest state of each of many subjects. As in a state feed a lagging reader skips states, but only for a newer one of the same key. */
export interface KeyedFeed extends LiveFeed {
  add(entry: KeyedEntry, key: string): void;
  /** Drops the state of a subject that is gone; `add` does it for a 'terminal'. */
  forget(key: string): void;
  /**
   * The feed of a reader that opens now: the newest state of each subject first, as fast as it takes them, then the frame
   * that `endOf` makes, if any.
   * @param endOf is called with the sequence of the last event before the reader
   * @param since the last sequence that the reader had before; then it also gets the 'terminal' events after it that are kept
   */
  forNewReader(endOf?: (openedAt: number) => Frame | undefined, since?: number | null): ReaderFeed;
}

/** An entry that is encoded when the first reader needs it, since often nobody follows all subjects. */
export class KeyedEntry implements Entry {
  readonly sequence: number;
  readonly kind: EventKind;
  readonly #event: SseEvent;
  #frame: Frame | null = null;

  constructor(sequence: number, kind: EventKind, event: SseEvent) {
    this.sequence = sequence;
    this.kind = kind;
    this.#event = event;
  }

  get frame(): Frame {
    this.#frame ??= encodeFrame(this.#event);
    return this.#frame;
  }
}

export function createKeyedFeed(): KeyedFeed {
  const cache = createBatchCache();
  // A newer state goes to the end, so they stay ordered by sequence.
  const newest = new Map<string, Entry>();
  const keeps: Entry[] = [];
  const ends: Entry[] = [];
  let recent: Entry[] = [];
  let lastSequence = 0;

  function* statesBetween(cursor: number, upTo: number): Iterable<Entry> {
    for (const state of newest.values()) {
      if (state.sequence > upTo) return;
      if (state.sequence > cursor) yield state;
    }
  }

  function sinceLag(cursor: number): Iterable<Entry> {
    const pending = keeps.filter(({ sequence }) => sequence > cursor);
    return inOrder(pending, statesBetween(cursor, lastSequence));
  }

  function snapshot(cursor: number, since: number, upTo: number): Iterable<Entry> {
    const after = Math.max(cursor, since);
    const missed = ends.filter(({ sequence }) => sequence > after && sequence <= upTo);
    return inOrder(missed, statesBetween(cursor, upTo));
  }

  function* inOrder(pending: Entry[], states: Iterable<Entry>): Iterable<Entry> {
    for (const state of states) {
      const earlier = pending.findIndex(({ sequence }) => sequence > state.sequence);
      yield* pending.splice(0, earlier === -1 ? pending.length : earlier);
      yield state;
    }
    yield* pending;
  }

  function next(cursor: number, lagged: boolean) {
    if (cursor >= lastSequence) return null;
    return lagged ? joinEntries(cursor, sinceLag(cursor)) : cache.get(cursor, () => entriesAfter(cursor, recent));
  }

  return {
    get lastSequence() {
      return lastSequence;
    },
    // Subjects end, the stream does not.
    terminalSequence: null,
    get isFull() {
      return recent.length >= maxRecent;
    },
    add(entry, key) {
      lastSequence = entry.sequence;
      recent.push(entry);
      if (entry.kind !== 'keep') newest.delete(key);
      if (entry.kind === 'state') newest.set(key, entry);
      else keeps.push(entry);
      if (keeps.length > maxPendingKeeps) keeps.shift();
      if (entry.kind === 'terminal') ends.push(entry);
      if (ends.length > maxEnds) ends.shift();
      cache.clear();
    },
    forget: (key) => void newest.delete(key),
    forNewReader(endOf, since = null) {
      const openedAt = lastSequence;
      let end = endOf?.(openedAt);
      return {
        terminalSequence: null,
        next(cursor, lagged) {
          const first = cursor < openedAt ? joinEntries(cursor, snapshot(cursor, since ?? openedAt, openedAt)) : null;
          // What happened before it opened was never owed to this reader.
          if (first !== null) return { ...first, skipped: 0 };
          const from = Math.max(cursor, openedAt);
          if (end === undefined) return next(from, lagged);
          const frame = end;
          end = undefined;
          return { frame, upTo: from, skipped: 0 };
        },
      };
    },
    next,
    delivered(sequence) {
      recent = sequence >= lastSequence ? [] : recent.filter((entry) => entry.sequence > sequence);
      cache.clear();
    },
  };
}
