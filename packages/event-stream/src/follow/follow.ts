import { EventSource } from 'eventsource';
import { Agent, type Dispatcher, Headers } from 'undici';
import { type BackOffRule, defaultBackOff } from './back-off.ts';
import { FollowError } from './follow-error.ts';
import { type ConnectionChange, ReconnectingFetch } from './reconnecting-fetch.ts';

export interface FollowedEvent {
  /** 'message' when the server gave none. */
  event: string;
  data: string;
  /** The last id that the server sent; empty when it sent none. */
  id: string;
}

export interface FollowOptions {
  url: string | URL;
  /** Named events to listen to, in addition to the unnamed one. Others are dropped. */
  events: readonly string[];
  /** Called once per event, in order. If it throws, following ends and follow() rejects with that error. */
  onEvent(event: FollowedEvent): void;
  /** Whether this event is the last. Called after onEvent. */
  isTerminal(event: FollowedEvent): boolean;
  signal: AbortSignal;
  /** Not sent to another origin after a redirect. */
  headers?: Readonly<Record<string, string>>;
  lastEventId?: string;
  /** Default: its own, closed at the end. Must come from the same version of undici. */
  dispatcher?: Dispatcher;
  /** A connection without a byte for this long is dead; comments count. Default 45,000. */
  watchdogMs?: number;
  /** Default 400 to 5,000. A connection that lasted `maxMs` resets it. */
  backoff?: BackOffRule;
  /** Gives up after this many connections in a row that fail or bring no event. Default: no limit. */
  maxAttempts?: number;
  /**
   * Maximum characters of an event. A connection with a larger one is dropped; the third in a row is final. With `onDropped` this
   * happens only to one that does not end: other large events are dropped, and the connection continues. Default 65,536.
   */
  maxEventChars?: number;
  /** Called for each event that is too large. */
  onDropped?(reason: string): void;
  random?: () => number;
  onConnection?(change: ConnectionChange): void;
}

export interface FollowResult {
  /** The terminal event came, or the server says that there is nothing more (204). */
  reason: 'terminal' | 'no_content';
}

const defaultWatchdogMs = 45_000;
const defaultMaxEventChars = 64 * 1024;
// EventSource counts differently, and must not be the first to give up, because it gives up for good.
const spareBufferFactor = 2;
const connectTimeoutMs = 10_000;

/**
 * Follows an event stream to its end, over as many connections as it takes; each resumes after the last event. It keeps the process
 * alive meanwhile. Throws a FollowError when the end cannot be reached, and `signal.reason` on abort; sockets and timers are closed by
 * then. Throws a TypeError for a URL that is not http(s) or contains credentials, and for headers that cannot be sent.
 */
export async function follow(options: FollowOptions): Promise<FollowResult> {
  options.signal.throwIfAborted();
  const url = new URL(options.url);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError('an event stream has an http or https URL');
  if (url.username !== '' || url.password !== '') throw new TypeError('credentials go into a header, not into the URL');
  const headers = Object.fromEntries(new Headers(options.headers).entries());
  if (options.dispatcher !== undefined) return followWith({ ...options, url, headers, dispatcher: options.dispatcher });
  // HTTP/2 is slower for streams, and the watchdog replaces the body timeout.
  const agent = new Agent({ allowH2: false, bodyTimeout: 0, connect: { timeout: connectTimeoutMs } });
  try {
    return await followWith({ ...options, url, headers, dispatcher: agent });
  } finally {
    await agent.destroy();
  }
}

type ReadyOptions = FollowOptions & { url: URL; headers: Readonly<Record<string, string>>; dispatcher: Dispatcher };

async function followWith(options: ReadyOptions): Promise<FollowResult> {
  const { signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<FollowResult>();
  // Closing immediately matters: otherwise more events of the same packet would be delivered.
  const end = (settle: () => void) => {
    source.close();
    settle();
  };
  const fail = (error: unknown) => end(() => reject(error));
  const guard = (callback: () => void) => {
    try {
      callback();
    } catch (error) {
      fail(error);
    }
  };
  const link = new ReconnectingFetch({
    ...settingsOf(options),
    onConnection: (change) => guard(() => options.onConnection?.(change)),
    onFinish: (finish) => ('error' in finish ? fail(finish.error) : end(() => resolve(finish))),
  });
  const maxBufferSize = spareBufferFactor * (options.maxEventChars ?? defaultMaxEventChars);
  const source = new EventSource(options.url, { fetch: link.fetch, maxBufferSize });
  const isRepeated = createRepeatFilter();
  listen(source, options.events, (event) => {
    const isRepeat = isRepeated(event, link.onEvent());
    guard(() => {
      if (!isRepeat) options.onEvent(event);
      if (options.isTerminal(event)) end(() => resolve({ reason: 'terminal' }));
    });
  });
  listenForOverflow(source, fail);
  const abort = () => fail(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    link.stop();
  }
}

function settingsOf(options: ReadyOptions) {
  return {
    url: options.url,
    headers: options.headers,
    lastEventId: options.lastEventId ?? null,
    dispatcher: options.dispatcher,
    watchdogMs: options.watchdogMs ?? defaultWatchdogMs,
    backOff: options.backoff ?? defaultBackOff,
    maxEventChars: options.maxEventChars ?? defaultMaxEventChars,
    onDropped: options.onDropped?.bind(options),
    maxAttempts: options.maxAttempts ?? Number.POSITIVE_INFINITY,
    random: options.random ?? Math.random,
  };
}

function listenForOverflow(source: EventSource, fail: (error: FollowError) => void): void {
  source.addEventListener('error', (event) => {
    // An event named `error` arrives here too, and so do lost connections that the fetch replaces.
    if (event instanceof MessageEvent || source.readyState !== source.CLOSED) return;
    fail(new FollowError(event.message ?? 'the stream could not be read', null, null));
  });
}

function listen(source: EventSource, names: readonly string[], onEvent: (event: FollowedEvent) => void): void {
  for (const name of new Set(['message', ...names])) {
    source.addEventListener(name, (event: Event) => {
      if (event instanceof MessageEvent) onEvent({ event: name, data: String(event.data), id: event.lastEventId });
    });
  }
}

// A stream that starts with a snapshot repeats the newest event after a reconnect.
function createRepeatFilter(): (event: FollowedEvent, isFirstOfConnection: boolean) => boolean {
  let last: FollowedEvent | null = null;
  return (event, isFirstOfConnection) => {
    const isSame = last?.id === event.id && last.event === event.event && last.data === event.data;
    last = event;
    return isFirstOfConnection && isSame && event.id !== '';
  };
}
