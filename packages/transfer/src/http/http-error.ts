import { errnoOf, parseRetryAfter, RbeeError, tlsProblemOf } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders } from '@rbee/http';
import { errorOfShortage } from '../shortage.ts';

const DENIED_STATUSES: readonly number[] = [401, 403];
const MISSING_STATUSES: readonly number[] = [404, 410];
/** Request timeout, too early, too many requests: the same request may succeed later. */
const LATER_STATUSES: readonly number[] = [408, 425, 429];

/**
 * The error for the HTTP status of a file server: `MODEL_ACCESS_DENIED`, `MODEL_NOT_FOUND`, `SOURCE_UNAVAILABLE` with the wait that the
 * server requests, or `DOWNLOAD_FAILED`; `details.status` is the status.
 */
export function errorOfStatus(status: number, headers: ResponseHeaders, now: () => number = Date.now): RbeeError {
  const details = { status };
  if (DENIED_STATUSES.includes(status)) {
    const hint = 'the address may have expired or need a token';
    return new RbeeError('MODEL_ACCESS_DENIED', `the server denies access (status ${status})`, { hint, details });
  }
  if (MISSING_STATUSES.includes(status)) {
    return new RbeeError('MODEL_NOT_FOUND', `the server does not have the file (status ${status})`, { details });
  }
  if (status === 407) {
    const hint = 'set them in HTTP_PROXY: http://user:password@host:port';
    return new RbeeError('SOURCE_UNAVAILABLE', 'the proxy requires a valid user and password (status 407)', {
      hint,
      details,
    });
  }
  if (status >= 500 || LATER_STATUSES.includes(status)) {
    const retryAfterMs =
      parseRetryAfter(headerOf(headers, 'retry-after'), now()) ?? (status === 429 ? quotaWait(headers) : null);
    return new RbeeError('SOURCE_UNAVAILABLE', `the server is not available (status ${status})`, {
      details,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    });
  }
  return new RbeeError('DOWNLOAD_FAILED', `the server responded with status ${status}`, { details });
}

/**
 * Milliseconds until an exhausted quota resets; null if no quota is exhausted. The Hugging Face hub sends no `Retry-After` but
 * `RateLimit: "resolvers";r=0;t=55`, with the seconds in `t` (its page on rate limits; draft-ietf-httpapi-ratelimit-headers).
 */
function quotaWait(headers: ResponseHeaders): number | null {
  const quotas = (headerOf(headers, 'ratelimit') ?? '').split(',').filter((quota) => /;\s*r=0+\s*(?:;|$)/.test(quota));
  const waits = quotas
    .map((quota) => /;\s*t=(\d{1,9})\s*(?:;|$)/.exec(quota)?.[1])
    .filter((wait) => wait !== undefined);
  return waits.length === 0 ? null : Math.max(...waits.map(Number)) * 1_000;
}

const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPERM',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_PRX_CONN',
  'UND_ERR_PRX_TLS',
  'UND_ERR_SOCKS5',
]);
const NAME_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA']);
const TIMEOUT_CODES: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const CUT_CODES = /^(E(CONNRESET|CONNABORTED|PIPE)$|HPE_|UND_ERR_)/;
/** Wrong use of undici: a bug, not an error of the network. */
const BUG_CODES: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);

/**
 * Translates an error of a socket, TLS or the HTTP parser: `SOURCE_UNAVAILABLE` if there was no connection, `DOWNLOAD_TIMEOUT`, else
 * `DOWNLOAD_FAILED`. Any other error is returned as it is.
 */
export function errorOfConnection(error: unknown, host: string): unknown {
  if (error instanceof RbeeError) return error;
  if (!(error instanceof Error)) return error;
  // A dispatcher's refusal (an address that is not allowed) may come wrapped.
  if (error.cause instanceof RbeeError) return error.cause;
  // undici's parser sets no code if the response is not HTTP at all.
  const code = errnoOf(error) ?? (error.name === 'HTTPParserError' ? 'HPE_INVALID' : null);
  if (code === null || BUG_CODES.has(code)) return error;
  const shortage = errorOfShortage(error);
  if (shortage !== null) return shortage;
  const options = { cause: error, details: { host, code } };
  if (NAME_CODES.has(code)) {
    const hint = 'check the name, the DNS and the proxy settings';
    return new RbeeError('SOURCE_UNAVAILABLE', `host ${host} not found (${code})`, { ...options, hint });
  }
  if (UNREACHABLE_CODES.has(code)) {
    const hint = 'check the network and the proxy settings';
    return new RbeeError('SOURCE_UNAVAILABLE', `cannot reach ${host} (${code})`, { ...options, hint });
  }
  const tls = tlsProblemOf(code);
  if (tls !== null) {
    const message = `no secure connection to ${host}: ${tls.what}`;
    return new RbeeError('SOURCE_UNAVAILABLE', message, { ...options, hint: tls.hint });
  }
  if (TIMEOUT_CODES.has(code)) {
    return new RbeeError('DOWNLOAD_TIMEOUT', `${host} does not respond (${code})`, options);
  }
  const wrong = wrongHttpOf(code);
  if (wrong !== null) return new RbeeError('DOWNLOAD_FAILED', `${host} ${wrong} (${code})`, options);
  // A failed system call on a socket is a connection error, however rare its code.
  if (CUT_CODES.test(code) || 'syscall' in error) {
    return new RbeeError('DOWNLOAD_FAILED', `the connection to ${host} was cut (${code})`, options);
  }
  return error;
}

/** What a response that cannot be read has wrong; null if it was cut. */
function wrongHttpOf(code: string): string | null {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'sends more headers than can be read';
  if (code === 'HPE_UNEXPECTED_CONTENT_LENGTH')
    return 'sends its Content-Length twice, or together with Transfer-Encoding';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return 'sends a body of another length than its Content-Length, or several of them';
  // The connection ended in the middle of a message.
  if (code === 'HPE_INVALID_EOF_STATE') return null;
  return code.startsWith('HPE_') ? 'does not send valid HTTP' : null;
}
