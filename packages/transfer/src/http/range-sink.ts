import type { Dispatcher } from 'undici';
import type { Limiter } from '../limiter.ts';
import type { RangeHead } from './response-head.ts';

export interface RangeOptions {
  /**
   * Its agent should have `allowH2: false`, since bodies over HTTP/2 cost far more CPU time than over HTTP/1.1, and at least as many
   * connections as files are fetched in parallel, since the headers timeout includes the wait for a connection.
   */
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  /** From request to headers, for each hop of a redirect. */
  readonly headersTimeoutMs: number;
  /** Between two bytes of the body. Time during which the sink has paused it does not count. */
  readonly stallTimeoutMs: number;
  /** Limits the bytes of bodies. Time spent waiting for it does not count as a stall either. */
  readonly limiter?: Pick<Limiter, 'isLimited' | 'pass'>;
  /** Called with memory that the sink was not given and that can be reused. */
  readonly release?: (chunk: Buffer) => void;
  /** Called after `stallTimeoutMs` without a byte; the request then ends with DOWNLOAD_TIMEOUT. */
  readonly onStall?: () => void;
}

/** How a sink controls the body it receives. */
export interface RangeFlow {
  /** Continues after `write` returned false. */
  resume(): void;
  /** Enough received: ends the request immediately; `fetchRange` resolves. */
  stop(): void;
  /** Ends the request immediately; `fetchRange` rejects with the error as it is. */
  abort(error: unknown): void;
}

/** Where the bytes go. */
export interface RangeSink {
  /** The response is accepted: called once, before any byte. Bytes wait until the promise resolves; a rejection ends the request. */
  start(head: RangeHead, flow: RangeFlow): Promise<void>;
  /** The next bytes, in order; the buffer belongs to the sink. False: pause until `flow.resume()`. */
  write(chunk: Buffer): boolean;
}
