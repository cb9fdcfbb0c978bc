import { type Frame, joinFrames } from '../frame.ts';

/** 'state' may be skipped for a newer one, 'keep' may not, 'terminal' is a 'keep' that ends its subject. */
export type EventKind = 'state' | 'keep' | 'terminal';

export interface Entry {
  readonly sequence: number;
  readonly kind: EventKind;
  readonly frame: Frame;
}

/** The next bytes for a reader, and the sequence of the last event in them. */
export interface Batch {
  readonly frame: Frame;
  readonly upTo: number;
  /** Events up to `upTo` that the reader does not get. */
  readonly skipped: number;
}

/** The part of a feed that one reader sees. A reader is only a cursor: the sequence of the last event it was given. */
export interface ReaderFeed {
  /** Sequence of the terminal event, null before it. */
  readonly terminalSequence: number | null;
  /** What a reader gets next; null when it has everything. `lagged`: it fell behind and may be given less. */
  next(cursor: number, lagged: boolean): Batch | null;
}

/** The part of a feed that a broadcast drives. */
export interface LiveFeed extends ReaderFeed {
  readonly lastSequence: number;
  /** Every reader that keeps up has had everything up to `sequence`. */
  delivered(sequence: number): void;
  /** Events waiting for readers that keep up have reached the limit: deliver them before adding another. */
  readonly isFull: boolean;
}

/** Everything that one channel remembers for its readers. */
export interface Feed extends LiveFeed {
  add(entry: Entry): void;
  /** What a new reader gets first, and its cursor after that. */
  start(lastEventId: string | null): { readonly frames: readonly Frame[]; readonly cursor: number };
  /** Bytes of the events kept for future readers. */
  readonly keptBytes: number;
  /** Forgets all events except the newest; a log tells later readers how many are gone. */
  condense(): void;
}

// Well under a socket's high-water mark, so that joining alone never makes a reader look slow.
const maxBatchBytes = 16 * 1024;
// Readers that keep up share a few cursors; the rest join for themselves.
const maxCachedBatches = 16;

/** Joins the entries after `cursor`, up to the byte limit but at least one; null when there is none. */
export function joinEntries(cursor: number, entries: Iterable<Entry>): Batch | null {
  const frames: Frame[] = [];
  let bytes = 0;
  let upTo = cursor;
  for (const entry of entries) {
    bytes += entry.frame.plain.length;
    if (frames.length > 0 && bytes > maxBatchBytes) break;
    frames.push(entry.frame);
    upTo = entry.sequence;
  }
  return frames.length === 0 ? null : { frame: joinFrames(frames), upTo, skipped: upTo - cursor - frames.length };
}

/** Joins once for all readers at the same cursor. */
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
      const batch = joinEntries(cursor, entries());
      if (batch !== null && batches.size < maxCachedBatches) batches.set(cursor, batch);
      return batch;
    },
    clear() {
      if (batches.size > 0) batches.clear();
    },
  };
}

/** The entries after `cursor`. `entries` are consecutive, so the place of an entry follows from its sequence. */
export function entriesAfter(cursor: number, entries: readonly Entry[]): readonly Entry[] {
  return entries.slice(Math.max(0, cursor + 1 - (entries[0]?.sequence ?? 0)));
}
