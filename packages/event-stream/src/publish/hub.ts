import { encodeRetry } from '../frame.ts';
import { createTally } from '../tally.ts';
import { type Channel, type ChannelHost, type ChannelOptions, createChannel } from './channel.ts';
import { createFanOut, passOver } from './fan-out.ts';
import { Reader } from './reader.ts';
import { createReaderRegistry, type HubClock, type StreamCounts } from './reader-registry.ts';

export interface HubOptions {
  /** A reader never waits longer than this for a byte: it gets a comment. Default 15,000. */
  keepAliveMs?: number;
  /** A reader that takes no byte for this long is closed; it can come back with its Last-Event-ID. Default 30,000. */
  lagLimitMs?: number;
  /** Readers served in one turn of the event loop, default 64. */
  sliceSize?: number;
  /** The `retry:` that every stream starts with. Default 3,000. */
  retryMs?: number;
  /** Open streams at a time; more are refused. Default 20,000. */
  maxReaders?: number;
  /** Open streams at a time of one address; more are refused. Default 1,000. */
  maxReadersPerAddress?: number;
  clock?: HubClock;
  random?: () => number;
}

/** Owns every open stream of a process. */
export interface StreamHub {
  channel(options: ChannelOptions): Channel;
  /** Open streams, over all channels. */
  readonly readers: number;
  /** What has happened to them, for whoever watches the process. */
  readonly counts: StreamCounts;
  /**
   * Whether an attach from that address would be taken, to be said before headers go out: 'full' is the hub's limit, 'crowded' that of
   * the address.
   */
  stateFor(address: string | null): 'open' | 'full' | 'crowded' | 'closed';
  /** Ends every stream, each asked to come back at another moment, and resolves when all are closed. Later attaches are refused. */
  close(): Promise<void>;
}

const defaultKeepAliveMs = 15_000;
const defaultLagLimitMs = 30_000;
const defaultSliceSize = 64;
const defaultRetryMs = 3_000;
const defaultMaxReaders = 20_000;
const defaultMaxReadersPerAddress = 1_000;
const farewellRetryMinMs = 1_000;
const farewellRetrySpreadMs = 4_000;
// A reader that does not take its last bytes cannot hold up a shutdown.
const closeGraceMs = 1_000;

const systemClock: HubClock = {
  now: () => performance.now(),
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs).unref();
    return () => clearInterval(timer);
  },
};

export function createStreamHub(options: HubOptions = {}): StreamHub {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const maxReaders = options.maxReaders ?? defaultMaxReaders;
  const addresses = createTally(options.maxReadersPerAddress ?? defaultMaxReadersPerAddress);
  const fanOut = createFanOut(options.sliceSize ?? defaultSliceSize);
  const limits = {
    keepAliveMs: options.keepAliveMs ?? defaultKeepAliveMs,
    lagLimitMs: options.lagLimitMs ?? defaultLagLimitMs,
  };
  const registry = createReaderRegistry(limits, clock, fanOut);
  let closing: Promise<void> | null = null;

  const host: ChannelHost = {
    fanOut,
    greeting: encodeRetry(options.retryMs ?? defaultRetryMs),
    admit(sink, address, { feed, cursor, members }) {
      if (stateFor(address) !== 'open') return null;
      const reader = new Reader(sink, feed, registry, cursor);
      registry.add(reader);
      members.add(reader);
      addresses.add(address);
      sink.onClose(() => {
        members.delete(reader);
        registry.remove(reader);
        addresses.remove(address);
      });
      return reader;
    },
  };

  function stateFor(address: string | null): ReturnType<StreamHub['stateFor']> {
    if (closing !== null) return 'closed';
    if (registry.size >= maxReaders) return 'full';
    return addresses.isFull(address) ? 'crowded' : 'open';
  }

  function endAll(): Promise<void> {
    const farewellMs = () => Math.round(farewellRetryMinMs + random() * farewellRetrySpreadMs);
    fanOut.run(passOver(registry.readers(), (reader) => reader.farewell(encodeRetry(farewellMs()))));
    const stopGrace = clock.every(closeGraceMs, () => {
      for (const reader of registry.readers()) reader.destroy();
    });
    return registry.whenEmpty().finally(stopGrace);
  }

  return {
    channel: (channelOptions) => createChannel(channelOptions, host),
    get readers() {
      return registry.size;
    },
    counts: registry.counts,
    stateFor,
    close() {
      closing ??= endAll();
      return closing;
    },
  };
}
