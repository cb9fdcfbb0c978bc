import { type FanOut, type Pass, passOver } from './fan-out.ts';
import type { Feed } from './feed.ts';
import type { Reader } from './reader.ts';

/** The readers of one channel, and the passes that bring them what is new. */
export interface Broadcast {
  /** Open readers; whoever opens and closes them keeps this set. */
  readonly members: Set<Reader>;
  /** To be called before an event is added to the feed: makes room for it. */
  prepare(): void;
  /** To be called after it was added: it goes out in a later turn. */
  announce(): void;
}

export function createBroadcast(feed: Feed, fanOut: FanOut): Broadcast {
  const members = new Set<Reader>();
  let deliveredTo = 0;
  let isPassing = false;

  function startPass(): void {
    isPassing = true;
    let upTo = 0;
    let pass: Pass | null = null;
    fanOut.run((room) => {
      if (pass === null) {
        // Taken at the first step, not before, so that all events of a turn go out in one pass.
        upTo = feed.lastSequence;
        pass = passTo(upTo);
      }
      const served = pass(room);
      if (served < room) endPass(upTo);
      return served;
    });
  }

  function passTo(upTo: number): Pass {
    const readers = [...members];
    const from = deliveredTo;
    const batch = feed.next(from, false);
    if (batch === null || batch.upTo !== upTo) return passOver(readers, (reader) => reader.deliver());
    // Nearly all readers stand where the last pass ended, and one write gives them everything.
    const isLast = upTo === feed.terminalSequence;
    return passOver(readers, (reader) => {
      if (!reader.take(from, batch)) reader.deliver();
      else if (isLast) reader.end();
    });
  }

  function endPass(upTo: number): void {
    isPassing = false;
    delivered(upTo);
    if (feed.lastSequence > upTo) startPass();
  }

  function delivered(upTo: number): void {
    deliveredTo = Math.max(deliveredTo, upTo);
    feed.delivered(upTo);
  }

  return {
    members,
    prepare() {
      if (!feed.isFull) return;
      // A burst within one turn: better a long turn than a reader that keeps up and yet misses something.
      for (const reader of members) reader.deliver();
      delivered(feed.lastSequence);
    },
    announce() {
      if (members.size === 0) delivered(feed.lastSequence);
      else if (!isPassing) startPass();
    },
  };
}
