import { type FanOut, type Pass, passOver } from './fan-out.ts';
import type { LiveFeed } from './feed.ts';
import type { Reader } from './reader.ts';

/** The readers of one channel, and the passes that deliver new events to them. */
export interface Broadcast {
  /** Open readers; the hub adds and removes them. */
  readonly members: Set<Reader>;
  /** Call before adding an event to the feed: makes room for it. */
  prepare(): void;
  /** Call after adding it: it goes out in a later turn. */
  announce(): void;
}

export function createBroadcast(feed: LiveFeed, fanOut: FanOut): Broadcast {
  const members = new Set<Reader>();
  let deliveredTo = 0;
  let isPassing = false;

  function startPass(): void {
    isPassing = true;
    let upTo = 0;
    let pass: Pass | null = null;
    fanOut.run((room) => {
      if (pass === null) {
        // Read at the first step, not before, so that all events of a turn go out in one pass.
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
    // Nearly all readers are where the last pass ended, and one write gives them everything.
    const isLast = upTo === feed.terminalSequence;
    return passOver(readers, (reader) => {
      if (!reader.tryWrite(from, batch)) reader.deliver();
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
      // A burst within one turn: a long turn is better than a gap for a reader that keeps up.
      for (const reader of members) reader.deliver();
      delivered(feed.lastSequence);
    },
    announce() {
      if (members.size === 0) delivered(feed.lastSequence);
      else if (!isPassing) startPass();
    },
  };
}
