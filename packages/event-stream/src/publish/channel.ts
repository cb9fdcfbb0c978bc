import { randomBytes } from 'node:crypto';
import { assertEpoch, formatEventId, sequenceOf } from '../event-id.ts';
import { encodeFrame, type Frame, joinFrames } from '../frame.ts';
import type { Sink } from '../sinks/sink.ts';
import { createBroadcast } from './broadcast.ts';
import type { FanOut } from './fan-out.ts';
import type { EventKind, Feed } from './feed.ts';
import { createLogFeed } from './log-feed.ts';
import type { Reader } from './reader.ts';
import { createStateFeed } from './state-feed.ts';

export interface ChannelOptions {
  /** 'state': the newest state first, slow readers are skipped to it. 'log': every kept event in order. */
  mode: 'log' | 'state';
  /** First half of every id, letters and digits. Default: a fresh one, so that ids of an earlier life are not mistaken for its own. */
  epoch?: string;
  /** 'log' only: events kept for late readers, default 1000. */
  historyLimit?: number;
  /** 'log' only: the event that says aloud that `missed` events are gone. It comes before the kept ones. */
  gapEvent?: (missed: number) => { event?: string | undefined; data: string };
}

/** One source of events with any number of readers. It needs no closing: forget it once it has ended or nobody publishes to it. */
export interface Channel {
  /**
   * Sends an event to all readers, in a later turn of the event loop, and returns its id. Throws an Error after the terminal event, for
   * CR, LF or NUL in `event`, and for 'state' in log mode.
   */
  publish(event: { event?: string | undefined; data: string }, kind: EventKind): string;
  /**
   * 'no_content': the reader has the terminal event already. 'refused': the hub takes it no more, see {@link StreamHub.stateFor}. In both
   * cases the sink is not touched. `address`: who counts as one client; null or nothing is counted for the hub alone.
   */
  attach(sink: Sink, lastEventId: string | null, address?: string | null): 'attached' | 'no_content' | 'refused';
  /** Decides the status before headers go out: 'no_content' is 204. */
  accepts(lastEventId: string | null): 'attach' | 'no_content';
  readonly ended: boolean;
  readonly lastId: string | null;
  /** Bytes of the events that are kept for readers to come. */
  readonly keptBytes: number;
  /** Forgets all events but the newest. A log says by its `gapEvent` how many are gone; ids go on as before. */
  condense(): void;
}

/** What a channel needs of its hub. */
export interface ChannelHost {
  readonly fanOut: FanOut;
  /** The `retry:` that greets every reader. */
  readonly greeting: Frame;
  /** Makes a reader that the hub counts, keeps alive and closes, and keeps it in `members` while it is open; null when it takes no more. */
  admit(sink: Sink, address: string | null, seat: Seat): Reader | null;
}

/** Where a reader belongs: its channel's feed, from which place on, and the readers beside it. */
interface Seat {
  readonly feed: Feed;
  readonly cursor: number;
  readonly members: Set<Reader>;
}

const defaultHistoryLimit = 1000;
const epochBytes = 6;

export function createChannel(options: ChannelOptions, host: ChannelHost): Channel {
  const epoch = options.epoch ?? randomBytes(epochBytes).toString('hex');
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
