import { createBatchCache, type Entry, entriesAfter, type Feed, joinEntries } from './feed.ts';

// Bounds what is kept for readers that lag: past it the oldest event that should not be skipped is dropped.
const maxPendingKeeps = 64;
// Bounds what one burst can pile up before it is delivered.
const maxRecent = 512;

/** Remembers the newest state, the events that a lagging reader must not miss, and the events not yet delivered to the others. */
export function createStateFeed(): Feed {
  const cache = createBatchCache();
  const keeps: Entry[] = [];
  let recent: Entry[] = [];
  let newest: Entry | null = null;
  let terminal: Entry | null = null;
  let lastSequence = 0;

  function add(entry: Entry): void {
    lastSequence = entry.sequence;
    recent.push(entry);
    if (entry.kind === 'state') newest = entry;
    else keeps.push(entry);
    if (keeps.length > maxPendingKeeps) keeps.shift();
    if (entry.kind === 'terminal') terminal = entry;
    cache.clear();
  }

  function* sinceLag(cursor: number): Iterable<Entry> {
    let state = newest !== null && newest.sequence > cursor ? newest : null;
    for (const keep of keeps) {
      if (keep.sequence <= cursor) continue;
      if (state !== null && state.sequence < keep.sequence) {
        yield state;
        state = null;
      }
      yield keep;
    }
    if (state !== null) yield state;
  }

  return {
    get lastSequence() {
      return lastSequence;
    },
    get terminalSequence() {
      return terminal?.sequence ?? null;
    },
    get isFull() {
      return recent.length >= maxRecent;
    },
    add,
    start() {
      const snapshot = terminal ?? newest;
      return { frames: snapshot === null ? [] : [snapshot.frame], cursor: lastSequence };
    },
    next(cursor, lagged) {
      if (cursor >= lastSequence) return null;
      return lagged ? joinEntries(cursor, sinceLag(cursor)) : cache.get(cursor, () => entriesAfter(cursor, recent));
    },
    get keptBytes() {
      return (terminal ?? newest)?.frame.chunked.length ?? 0;
    },
    // It only keeps the newest for future readers anyway.
    condense() {},
    delivered(sequence) {
      recent = sequence >= lastSequence ? [] : recent.filter((entry) => entry.sequence > sequence);
      cache.clear();
    },
  };
}
