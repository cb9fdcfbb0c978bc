import type { IncomingMessage, ServerOptions } from 'node:http';
import { RbeeError } from '@rbee/contract';

export const BODY_LIMIT_BYTES = 1024 * 1024;
/** Of the request line and headers together; more gets 431. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** How long a request may take to arrive, and a running one to end when the daemon stops. */
export interface RequestTimeouts {
  /** To the end of the TLS handshake. */
  readonly handshakeMs: number;
  /** From the first byte of a connection to the end of the headers. */
  readonly headersMs: number;
  /** To the end of the body. */
  readonly requestMs: number;
  /** How often open connections are checked. */
  readonly checkMs: number;
  /** A stopping daemon waits so long for running requests before it closes their connections. */
  readonly closeMs: number;
}

export const REQUEST_TIMEOUTS: RequestTimeouts = {
  handshakeMs: 10_000,
  headersMs: 15_000,
  requestMs: 30_000,
  checkMs: 5_000,
  closeMs: 3_000,
};

/**
 * Options of an HTTP or HTTPS server. A client that sends its request too slowly is disconnected, so that it cannot hold
 * connections open forever.
 */
export function connectionOptions(timeouts: RequestTimeouts): ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkMs,
    // Left to `checkShape`, which sends an error body; Node's own response is empty.
    requireHostHeader: false,
  };
}

/**
 * Refuses requests that a proxy in front might interpret differently.
 * @throws RbeeError REQUEST_INVALID, MEDIA_TYPE_UNSUPPORTED
 */
export function checkShape(request: IncomingMessage): void {
  const hosts = request.rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length;
  if (hosts !== 1) throw new RbeeError('REQUEST_INVALID', 'a request needs exactly one Host header');
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new RbeeError('MEDIA_TYPE_UNSUPPORTED', 'compressed bodies are not supported', {
      hint: 'send the body uncompressed',
    });
  }
}
