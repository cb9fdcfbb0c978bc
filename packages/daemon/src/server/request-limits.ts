import type { IncomingMessage, ServerOptions } from 'node:http';
import { RbeeError } from '@rbee/contract';

export const BODY_LIMIT_BYTES = 1024 * 1024;
/** Request line and headers together; more is answered with 431. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** How slowly a request may come. */
export interface RequestTimeouts {
  /** To the end of the handshake of TLS. */
  readonly handshakeMs: number;
  /** From the first byte of a connection to the end of the headers. */
  readonly headersMs: number;
  /** To the end of the body. */
  readonly requestMs: number;
  /** How often open connections are looked at. */
  readonly checkMs: number;
}

export const REQUEST_TIMEOUTS: RequestTimeouts = {
  handshakeMs: 10_000,
  headersMs: 15_000,
  requestMs: 30_000,
  checkMs: 5_000,
};

/**
 * What the server is made with, be it plain or TLS. A client that sends its request too slowly is let go, so that it
 * cannot hold connections for as long as it likes.
 */
export function connectionOptions(timeouts: RequestTimeouts): ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkMs,
    // Said by `checkShape`, which answers with an error body where the server's own answer is empty.
    requireHostHeader: false,
  };
}

/**
 * Refuses what a proxy in front may read in another way than this server does.
 * @throws RbeeError REQUEST_INVALID, MEDIA_TYPE_UNSUPPORTED
 */
export function checkShape(request: IncomingMessage): void {
  const hosts = request.rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length;
  if (hosts !== 1) throw new RbeeError('REQUEST_INVALID', 'a request has one Host header');
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new RbeeError('MEDIA_TYPE_UNSUPPORTED', 'the body is compressed', { hint: 'send it as it is' });
  }
}
