import { assertEpoch, formatEventId, newEpoch, sequenceOf } from '../event-id.ts';
import { encodeFrame, type Frame, joinFrames } from '../frame.ts';
import type { Sink } from '../sinks/sink.ts';
import { createBroadcast } from './broadcast.ts';
import type { FanOut } from './fan-out.ts';
import type { EventKind, Feed, ReaderFeed } from './feed.ts';
import { createLogFeed } from './log-feed.ts';
import type { Reader } from './reader.ts';
import { createStateFeed } from './state-feed.ts';

export interface ChannelOptions {
  /** 'state': the newest state first, slow readers are skipped to it. 'log': every kept event in order. */
  mode: 'log' | 'state';
  /** First half of every id, letters and digits. Default: a random one, so that ids of a previous run are not mistaken for its own. */
  epoch?: string;
  /** 'log' only: events kept for late readers, default 1000. */
  historyLimit?: number;
  /** 'log' only: the event that tells a reader that `missed` events are gone. It comes before the kept ones. */
  gapEvent?: (missed: number) => { event?: string | undefined; data: string };
}

/** Something that readers can attach to. */
export interface Subscribable {
  /**
   * 'no_content': the reader has the terminal event already. 'refused': the hub has no room, see {@link StreamHub.stateFor}. In both
   * cases the sink is not touched. `address`: counted as one client; without one only the hub's own limit applies.
   */
  attach(sink: Sink, lastEventId: string | null, address?: string | null): 'attached' | 'no_content' | 'refused';
  /** Decides the status before headers go out: 'no_content' is 204. */
  accepts(lastEventId: string | null): 'attach' | 'no_content';
}

/** One source of events with any number of readers. It needs no closing: drop it once it has ended or nobody publishes to it. */
export interface Channel extends Subscribable {
  /**
   * Sends an event to all readers, in a later turn of the event loop, and returns its id. Throws an Error after the terminal event, for
   * CR, LF or NUL in `event`, and for 'state' in log mode.
   */
  publish(event: { event?: string | undefined; data: string }, kind: EventKind): string;
  readonly ended: boolean;
  readonly lastId: string | null;
  /** Bytes of the events kept for future readers. */
  readonly keptBytes: number;
  /** Forgets all events except the newest. A log's `gapEvent` says how many are gone; ids continue as before. */
  condense(): void;
}

/** What a channel needs from its hub. */
export interface ChannelHost {
  readonly fanOut: FanOut;
  /** The `retry:` that greets every reader. */
  readonly greeting: Frame;
  /** Makes a reader that the hub counts, keeps alive and closes, and keeps in `members` while it is open; null when there is no room. */
  admit(sink: Sink, address: string | null, seat: Seat): Reader | null;
}

/** Where a reader belongs: its feed, its first cursor, and the other readers of the channel. */
interface Seat {
  readonly feed: ReaderFeed;
  readonly cursor: number;
  readonly members: Set<Reader>;
}

const defaultHistoryLimit = 1000;

export function createChannel(options: ChannelOptions, host: ChannelHost): Channel {
  const epoch = options.epoch ?? newEpoch();
  assertEpoch(epoch);
  const feed = createFeed(options, epoch);
  const broadcast = createBroadcast(feed, host.fanOut);
  const hasTerminal = (lastEventId: string | null) =>
    feed.terminalSequence !== null && sequenceOf(lastEventId, epoch) >= feed.terminalSequence;

  return {
    publish(event, kind) {
      if (feed.terminalSequence !== null) throw new Error('the channel has ended');
      if (kind === 'state' && options.mode === 'log') throw new Error('a log has no state events');
      const sequence = feed.lastSequence + 1;
      const id = formatEventId(epoch, sequence);
      const frame = encodeFrame({ event: event.event, data: event.data, id });
      broadcast.prepare();
      feed.add({ sequence, kind, frame });
      broadcast.announce();
      return id;
    },
    attach(sink, lastEventId, address = null) {
      if (hasTerminal(lastEventId)) return 'no_content';
      const { frames, cursor } = feed.start(lastEventId);
      const reader = host.admit(sink, address, { feed, cursor, members: broadcast.members });
      if (reader === null) return 'refused';
      // It may have left before it was attached.
      if (broadcast.members.has(reader)) reader.open(joinFrames([host.greeting, ...frames]));
      return 'attached';
    },
    accepts: (lastEventId) => (hasTerminal(lastEventId) ? 'no_content' : 'attach'),
    get ended() {
      return feed.terminalSequence !== null;
    },
    get lastId() {
      return feed.lastSequence === 0 ? null : formatEventId(epoch, feed.lastSequence);
    },
    get keptBytes() {
      return feed.keptBytes;
    },
    condense: () => feed.condense(),
  };
}

function createFeed(options: ChannelOptions, epoch: string): Feed {
  if (options.mode === 'state') return createStateFeed();
  const historyLimit = options.historyLimit ?? defaultHistoryLimit;
  return createLogFeed({ epoch, historyLimit, gapEvent: options.gapEvent ?? null });
}
