import { setTimeout as sleep } from 'node:timers/promises';
import type { FetchLike, FetchLikeResponse, ReaderLike } from 'eventsource';
import type { Dispatcher } from 'undici';
import { type BackOffRule, backOffMs } from './back-off.ts';
import { type BodyEnd, createBodyReader, type StreamBody } from './body-reader.ts';
import { FollowError } from './follow-error.ts';
import { requestStream } from './stream-request.ts';
import { createWatchdog, type Watchdog } from './watchdog.ts';

/** A connection opened, or one was lost or could not be made; `attempt` counts from 1 since the last event. */
export type ConnectionChange = { state: 'open' } | { state: 'lost'; reason: string; attempt: number };

export interface ReconnectingFetchOptions {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Where to start; EventSource keeps the id after the first event. */
  lastEventId: string | null;
  dispatcher: Dispatcher;
  watchdogMs: number;
  backOff: BackOffRule;
  maxAttempts: number;
  maxEventChars: number;
  onDropped?: ((reason: string) => void) | undefined;
  random: () => number;
  onConnection(change: ConnectionChange): void;
  /** There is nothing left to try. The owner closes the EventSource, which aborts everything in flight. */
  onFinish(end: { reason: 'no_content' } | { error: unknown }): void;
}

const maxRetryAfterMs = 30_000;
/** One event that is too large may be an accident in transit; three connections in a row are not. */
const maxTooLarge = 3;

/**
 * The fetch of one EventSource, with what EventSource lacks: a growing delay between connections, a retry after 408, 429 and 5xx, and
 * a watchdog for silent connections. EventSource only sees streams that open and end.
 */
export class ReconnectingFetch {
  readonly #options: ReconnectingFetchOptions;
  readonly #watchdog: Watchdog;
  readonly #firstEventId: string | null;
  // Four counts that are reset at different times: the one that is reported, two that make it give up, one that makes it wait longer.
  #attempt = 0;
  #failures = 0;
  #tooLarge = 0;
  #quickLosses = 0;
  #delayMs = 0;
  #hasEvents = false;

  constructor(options: ReconnectingFetchOptions) {
    this.#options = options;
    this.#watchdog = createWatchdog(options.watchdogMs);
    // As bytes, because that is how headers are sent.
    this.#firstEventId = options.lastEventId === null ? null : Buffer.from(options.lastEventId).toString('latin1');
  }

  readonly fetch: FetchLike = async (_url, init) => {
    const closed: AbortSignal = init.signal;
    try {
      while (!closed.aborted) {
        await sleep(this.#delayMs, undefined, { signal: closed });
        const reader = await this.#connect(closed, init.headers['Last-Event-ID'] ?? this.#firstEventId);
        if (reader !== null) return responseOf(reader);
      }
    } catch (error) {
      // EventSource would treat a bug as a lost connection.
      if (!closed.aborted) this.#options.onFinish({ error });
    }
    throw new DOMException('the stream was closed', 'AbortError');
  };

  /** Call for each event; returns whether it is the first of its connection. */
  onEvent(): boolean {
    const isFirst = !this.#hasEvents;
    this.#hasEvents = true;
    this.#attempt = 0;
    return isFirst;
  }

  /** Stops the timer; the owner calls it at the end. */
  stop(): void {
    this.#watchdog.stop();
  }

  async #connect(closed: AbortSignal, lastEventId: string | null): Promise<ReaderLike | null> {
    const { url, headers, dispatcher, onFinish } = this.#options;
    const life = new AbortController();
    this.#watchdog.watch(life);
    const signal = AbortSignal.any([closed, life.signal]);
    const onActivity = this.#watchdog.refresh;
    const response = await requestStream({ url, headers, lastEventId, dispatcher, signal, onActivity });
    if (closed.aborted) return null;
    if (response.kind === 'open') return this.#open(response.body, closed);
    if (response.kind === 'no_content') onFinish({ reason: 'no_content' });
    if (response.kind === 'final') onFinish({ error: response.error });
    if (response.kind === 'failed') {
      this.#failures += 1;
      this.#lost(response.reason, response.status, Math.min(response.retryAfterMs, maxRetryAfterMs));
    }
    return null;
  }

  #open(body: StreamBody, closed: AbortSignal): ReaderLike {
    const { backOff, onConnection } = this.#options;
    const openedAt = performance.now();
    this.#hasEvents = false;
    onConnection({ state: 'open' });
    return createBodyReader(body, {
      onActivity: this.#watchdog.refresh,
      maxEventChars: this.#options.maxEventChars,
      onDropped: this.#options.onDropped,
      onEnd: (end) => {
        if (closed.aborted) return;
        const hasLasted = performance.now() - openedAt >= backOff.maxMs;
        // Only time resets the back-off: a peer may send one event and hang up each time.
        if (hasLasted) this.#quickLosses = 0;
        this.#failures = hasLasted || this.#hasEvents ? 0 : this.#failures + 1;
        this.#ended(end);
      },
    });
  }

  #ended({ reason, farewellMs, isTooLarge }: BodyEnd): void {
    this.#tooLarge = isTooLarge ? this.#tooLarge + 1 : 0;
    if (this.#tooLarge === maxTooLarge) this.#options.onFinish({ error: new FollowError(reason, null, null) });
    else this.#lost(reason, null, Math.min(farewellMs ?? 0, this.#options.backOff.maxMs));
  }

  #lost(reason: string, status: number | null, atLeastMs: number): void {
    const { backOff, random, maxAttempts, onConnection, onFinish } = this.#options;
    this.#attempt += 1;
    this.#quickLosses += 1;
    this.#delayMs = Math.max(atLeastMs, backOffMs(backOff, this.#quickLosses, random));
    onConnection({ state: 'lost', reason, attempt: this.#attempt });
    if (this.#failures < maxAttempts) return;
    onFinish({ error: new FollowError(`gave up after ${this.#failures} attempts: ${reason}`, status, null) });
  }
}

function responseOf(reader: ReaderLike): FetchLikeResponse {
  const headers = new Map([['content-type', 'text/event-stream']]);
  return {
    body: { getReader: () => reader },
    url: '',
    status: 200,
    redirected: false,
    headers: { get: (name) => headers.get(name.toLowerCase()) ?? null },
  };
}
