import { encodeRetry } from '../frame.ts';
import { type Channel, type ChannelHost, type ChannelOptions, createChannel } from './channel.ts';
import { createFanOut, passOver } from './fan-out.ts';
import { createKeyedStream, type KeyedStream, type KeyedStreamOptions } from './keyed-stream.ts';
import { Reader } from './reader.ts';
import { createReaderRegistry, type StreamClock, type StreamCounts } from './reader-registry.ts';

export interface StreamHubOptions {
  /** A reader never waits longer than this for a byte: it gets a comment. Default 15,000. */
  keepAliveMs?: number;
  /** A reader that takes no byte for this long is closed; it can reconnect with its Last-Event-ID. Default 30,000. */
  lagLimitMs?: number;
  /** Readers served in one turn of the event loop, default 64. */
  sliceSize?: number;
  /** The `retry:` that every stream starts with. Default 3,000. */
  retryMs?: number;
  /** Maximum number of open streams; more are refused. Default 20,000. */
  maxReaders?: number;
  /** Maximum number of open streams from one address; more are refused. Default 1,000. */
  maxReadersPerAddress?: number;
  clock?: StreamClock;
  random?: () => number;
}

/** Owns every open stream of a process. */
export interface StreamHub {
  channel(options: ChannelOptions): Channel;
  /** Many subjects in one endless stream, each with its newest state. */
  keyedStream(options?: KeyedStreamOptions): KeyedStream;
  /** Open streams, over all channels. */
  readonly readers: number;
  /** What has happened to them, for monitoring. */
  readonly counts: StreamCounts;
  /**
   * Whether the hub would accept another reader from that address; check it before headers go out. 'full' is the hub's own limit,
   * 'crowded' that of the address.
   */
  stateFor(address: string | null): 'open' | 'full' | 'crowded' | 'closed';
  /** Ends every stream, each with a different reconnect delay, and resolves when all are closed. Later attaches are refused. */
  close(): Promise<void>;
}

const farewellRetryMinMs = 1_000;
const farewellRetrySpreadMs = 4_000;
// A reader that does not take its last bytes cannot hold up a shutdown.
const closeGraceMs = 1_000;

const systemClock: StreamClock = {
  now: () => performance.now(),
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs).unref();
    return () => clearInterval(timer);
  },
};

const defaults: Required<StreamHubOptions> = {
  keepAliveMs: 15_000,
  lagLimitMs: 30_000,
  sliceSize: 64,
  retryMs: 3_000,
  maxReaders: 20_000,
  maxReadersPerAddress: 1_000,
  clock: systemClock,
  random: Math.random,
};

export function createStreamHub(options: StreamHubOptions = {}): StreamHub {
  const settings = { ...defaults, ...options };
  const fanOut = createFanOut(settings.sliceSize);
  const registry = createReaderRegistry(settings, settings.clock, fanOut);
  const addresses = createAddressLimit(settings.maxReadersPerAddress);
  let closing: Promise<void> | null = null;

  function stateFor(address: string | null): ReturnType<StreamHub['stateFor']> {
    if (closing !== null) return 'closed';
    if (registry.size >= settings.maxReaders) return 'full';
    return addresses.isFull(address) ? 'crowded' : 'open';
  }

  const admit: ChannelHost['admit'] = (sink, address, { feed, cursor, members }) => {
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
  };

  function endAll(): Promise<void> {
    const farewellMs = () => Math.round(farewellRetryMinMs + settings.random() * farewellRetrySpreadMs);
    fanOut.run(passOver(registry.readers(), (reader) => reader.farewell(encodeRetry(farewellMs()))));
    const stopGrace = settings.clock.every(closeGraceMs, () => {
      for (const reader of registry.readers()) reader.destroy();
    });
    return registry.whenEmpty().finally(stopGrace);
  }

  const host: ChannelHost = { fanOut, greeting: encodeRetry(settings.retryMs), admit };
  return {
    channel: (channelOptions) => createChannel(channelOptions, host),
    keyedStream: (keyedOptions) => createKeyedStream(host, keyedOptions),
    get readers() {
      return registry.size;
    },
    counts: registry.counts,
    stateFor,
    close: () => {
      closing ??= endAll();
      return closing;
    },
  };
}

/** Counts readers by address, up to a limit for each; null is not counted. Remembers only addresses that have a reader. */
function createAddressLimit(limit: number) {
  const counts = new Map<string, number>();
  return {
    add(address: string | null): void {
      if (address !== null) counts.set(address, (counts.get(address) ?? 0) + 1);
    },
    remove(address: string | null): void {
      if (address === null) return;
      const left = (counts.get(address) ?? 0) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    },
    isFull: (address: string | null): boolean => address !== null && (counts.get(address) ?? 0) >= limit,
  };
}
