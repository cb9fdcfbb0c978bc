import type { FanOut } from './fan-out.ts';
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
  let isPassing = false;

  function startPass(): void {
    isPassing = true;
    let upTo = 0;
    let left: Iterator<Reader> | null = null;
    fanOut.run(() => {
      if (left === null) {
        // Taken at the first step, not before, so that all events of a turn go out in one pass.
        upTo = feed.lastSequence;
        left = members.values();
      }
      const next = left.next();
      if (next.done === true) endPass(upTo);
      else next.value.deliver();
      return next.done !== true;
    });
  }

  function endPass(upTo: number): void {
    isPassing = false;
    feed.delivered(upTo);
    if (feed.lastSequence > upTo) startPass();
  }

  return {
    members,
    prepare() {
      if (!feed.isFull) return;
      // A burst within one turn: better a long turn than a reader that keeps up and yet misses something.
      for (const reader of members) reader.deliver();
      feed.delivered(feed.lastSequence);
    },
    announce() {
      if (members.size === 0) feed.delivered(feed.lastSequence);
      else if (!isPassing) startPass();
    },
  };
}
