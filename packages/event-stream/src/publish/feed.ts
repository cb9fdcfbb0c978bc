import { type Frame, joinFrames } from '../frame.ts';

/** 'state' may be skipped for a newer one, 'keep' may not, 'terminal' is a 'keep' that ends the channel. */
export type EventKind = 'state' | 'keep' | 'terminal';

export interface Entry {
  readonly sequence: number;
  readonly kind: EventKind;
  readonly frame: Frame;
}

/** The next bytes of a reader, and the sequence of the last event in them. */
export interface Batch {
  readonly frame: Frame;
  readonly upTo: number;
  /** How many events are in it. */
  readonly events: number;
}

/** What one channel remembers for its readers. A reader is nothing but a cursor: the sequence of the last event it was given. */
export interface Feed {
  readonly lastSequence: number;
  /** Sequence of the terminal event, null before it. */
  readonly terminalSequence: number | null;
  add(entry: Entry): void;
  /** What a new reader gets at once, and its cursor after that. */
  start(lastEventId: string | null): { readonly frames: readonly Frame[]; readonly cursor: number };
  /** What a reader gets next; null when it has everything. `lagged`: it fell behind and may be given less. */
  next(cursor: number, lagged: boolean): Batch | null;
  /** Every reader that keeps up has had everything up to `sequence`. */
  delivered(sequence: number): void;
  /** Events waiting for readers that keep up have reached the limit: give them out before the next one. */
  readonly isFull: boolean;
  /** Bytes of the events that are kept for readers to come. */
  readonly keptBytes: number;
  /** Forgets all events but the newest; a log says to who comes how many are gone. */
  condense(): void;
}

// Well under a socket's high-water mark, so that joining alone never makes a reader look slow.
const maxBatchBytes = 16 * 1024;
// Readers that keep up share a few cursors; the rest join for themselves.
const maxCachedBatches = 16;

/** Joins entries from the first on, up to the byte limit but at least one; null when there is none. */
export function joinEntries(entries: Iterable<Entry>): Batch | null {
  const frames: Frame[] = [];
  let bytes = 0;
  let upTo = 0;
  for (const entry of entries) {
    bytes += entry.frame.plain.length;
    if (frames.length > 0 && bytes > maxBatchBytes) break;
    frames.push(entry.frame);
    upTo = entry.sequence;
  }
  return frames.length === 0 ? null : { frame: joinFrames(frames), upTo, events: frames.length };
}

/** Joins once for all readers that stand at the same cursor. */
export interface BatchCache {
  get(cursor: number, entries: () => Iterable<Entry>): Batch | null;
  clear(): void;
}

export function createBatchCache(): BatchCache {
  const batches = new Map<number, Batch>();
  return {
    get(cursor, entries) {
      const known = batches.get(cursor);
      if (known !== undefined) return known;
      const batch = joinEntries(entries());
      if (batch !== null && batches.size < maxCachedBatches) batches.set(cursor, batch);
      return batch;
    },
    clear() {
      if (batches.size > 0) batches.clear();
    },
  };
}
