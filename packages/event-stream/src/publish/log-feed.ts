import { formatEventId, sequenceOf } from '../event-id.ts';
import { encodeFrame } from '../frame.ts';
import { createBatchCache, type Entry, type Feed, joinEntries } from './feed.ts';
import { createReplayLog } from './replay-log.ts';

export interface LogFeedOptions {
  epoch: string;
  historyLimit: number;
  gapEvent: ((missed: number) => { event?: string | undefined; data: string }) | null;
}

// Bounds what one burst can pile up before it is delivered, so that a reader that keeps up never finds a gap.
const maxUndelivered = 512;

/** Remembers the last `historyLimit` events for all readers: late, lagging or keeping up. */
export function createLogFeed(options: LogFeedOptions): Feed {
  const { epoch, historyLimit, gapEvent } = options;
  const log = createReplayLog<Entry>(historyLimit);
  const cache = createBatchCache();
  const burstLimit = Math.min(maxUndelivered, historyLimit);
  let terminalSequence: number | null = null;
  let deliveredSequence = 0;
  let keptBytes = 0;

  function* since(cursor: number): Iterable<Entry> {
    const first = Math.max(cursor + 1, log.firstSequence);
    if (first > cursor + 1 && gapEvent !== null) yield gapEntry(first - 1, first - 1 - cursor, gapEvent);
    for (let sequence = first; sequence <= log.lastSequence; sequence += 1) {
      const entry = log.at(sequence);
      if (entry !== undefined) yield entry;
    }
  }

  // It takes the id of the last event that is gone, so that ids still rise and a reconnect continues after it.
  function gapEntry(sequence: number, missed: number, make: NonNullable<LogFeedOptions['gapEvent']>): Entry {
    const frame = encodeFrame({ ...make(missed), id: formatEventId(epoch, sequence) });
    return { sequence, kind: 'keep', frame };
  }

  return {
    get lastSequence() {
      return log.lastSequence;
    },
    get terminalSequence() {
      return terminalSequence;
    },
    get isFull() {
      return log.lastSequence - deliveredSequence >= burstLimit;
    },
    add(entry) {
      const isFullLog = log.lastSequence - log.firstSequence + 1 === historyLimit;
      keptBytes += bytesOf(entry) - (isFullLog ? bytesOf(log.at(log.firstSequence)) : 0);
      log.append(entry);
      if (entry.kind === 'terminal') terminalSequence = entry.sequence;
      cache.clear();
    },
    start(lastEventId) {
      // An id from the future cannot be trusted: that reader gets everything.
      const had = sequenceOf(lastEventId, epoch);
      return { frames: [], cursor: had > log.lastSequence ? 0 : had };
    },
    next(cursor) {
      if (cursor >= log.lastSequence) return null;
      // Only live events are joined once for many readers; caching old ones would fill the memory of a quiet channel.
      return cursor >= deliveredSequence ? cache.get(cursor, () => since(cursor)) : joinEntries(cursor, since(cursor));
    },
    get keptBytes() {
      return keptBytes;
    },
    condense() {
      log.dropOlder();
      keptBytes = bytesOf(log.at(log.lastSequence));
      cache.clear();
    },
    delivered(sequence) {
      deliveredSequence = Math.max(deliveredSequence, sequence);
      cache.clear();
    },
  };
}

function bytesOf(entry: Entry | undefined): number {
  return entry?.frame.chunked.length ?? 0;
}
