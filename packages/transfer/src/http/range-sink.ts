import type { Dispatcher } from 'undici';
import type { Limiter } from '../limiter.ts';
import type { RangeHead } from './response-head.ts';

export interface RangeOptions {
  /**
   * Carries the requests. Its agent should have `allowH2: false`: bodies over HTTP/2 cost far more time than over
   * HTTP/1.1; and no limit of connections below the number of files fetched at once, since the clock for headers also
   * covers the wait for a connection.
   */
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  /** From the request until headers, for each hop of a redirect. */
  readonly headersTimeoutMs: number;
  /** Between two bytes of the body. Time in which the sink holds the flow does not count. */
  readonly stallTimeoutMs: number;
  /** Body bytes pass it as they come. Time in which it holds the flow does not count either. */
  readonly limiter?: Pick<Limiter, 'isLimited' | 'pass'>;
  /** Told of memory that the sink has not been given and that may be used again. */
  readonly release?: (chunk: Buffer) => void;
  /** Told when no byte came for that long; the request then ends with DOWNLOAD_TIMEOUT. */
  readonly onStall?: () => void;
}

/** How a sink steers the body that it is given. */
export interface RangeFlow {
  /** Goes on after `write` answered false. */
  resume(): void;
  /** Enough has come: ends the request at once; `fetchRange` resolves. */
  stop(): void;
  /** Ends the request at once; `fetchRange` rejects with the error as it is. */
  abort(error: unknown): void;
}

/** Where the bytes go. */
export interface RangeSink {
  /** The answer is accepted: called once, before any byte. No byte comes until the promise is settled; a rejection ends the request. */
  start(head: RangeHead, flow: RangeFlow): Promise<void>;
  /** The next bytes, in order; the buffer belongs to the sink. False: pause until `flow.resume()`. */
  write(chunk: Buffer): boolean;
}
