import { formatEventId, newEpoch, sequenceOf } from '../event-id.ts';
import { encodeFrame } from '../frame.ts';
import { createBroadcast } from './broadcast.ts';
import type { ChannelHost, Subscribable } from './channel.ts';
import type { EventKind } from './feed.ts';
import { createKeyedFeed, KeyedEntry } from './keyed-feed.ts';

/**
 * Many subjects in one stream that has no end: first the newest state of each, then what happens to them. A slow reader is skipped to
 * the newest state of each subject; other events are not skipped. A reader that comes back also gets the ends it missed.
 */
export interface KeyedStream extends Subscribable {
  /** Sends an event about the subject `key` to all readers, in a later turn. 'terminal' ends the subject, not the stream. */
  publish(key: string, event: { readonly event: string; readonly data: string }, kind: EventKind): void;
  /** Later readers hear nothing of the subject. */
  forget(key: string): void;
}

export interface KeyedStreamOptions {
  /** Sent to each reader after the states that were there when it opened; none by default. */
  readonly snapshotEnd?: { readonly event: string; readonly data: string };
}

export function createKeyedStream(host: ChannelHost, { snapshotEnd }: KeyedStreamOptions = {}): KeyedStream {
  const epoch = newEpoch();
  // Every other id is left to the end of a snapshot, so that the ids of each reader rise.
  const idOf = (sequence: number) => formatEventId(epoch, 2 * sequence);
  const endFrame = (openedAt: number) =>
    snapshotEnd && encodeFrame({ ...snapshotEnd, id: formatEventId(epoch, 2 * openedAt + 1) });
  const sequenceBefore = (lastEventId: string | null) => {
    const sequence = Math.floor(sequenceOf(lastEventId, epoch) / 2);
    return sequence === 0 || sequence > feed.lastSequence ? null : sequence;
  };
  const feed = createKeyedFeed();
  const broadcast = createBroadcast(feed, host.fanOut);
  return {
    publish(key, { event, data }, kind) {
      const sequence = feed.lastSequence + 1;
      broadcast.prepare();
      feed.add(new KeyedEntry(sequence, kind, { event, data, id: idOf(sequence) }), key);
      broadcast.announce();
    },
    forget: (key) => feed.forget(key),
    // Whatever its last id, the snapshot says where everything stands; what has ended since is not in it.
    attach(sink, lastEventId, address = null) {
      const reader = host.admit(sink, address, {
        feed: feed.forNewReader(endFrame, sequenceBefore(lastEventId)),
        cursor: 0,
        members: broadcast.members,
      });
      if (reader === null) return 'refused';
      // It may have left before it was attached.
      if (broadcast.members.has(reader)) reader.open(host.greeting);
      return 'attached';
    },
    accepts: () => 'attach',
  };
}
