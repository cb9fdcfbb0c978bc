import { errnoOf, parseRetryAfter, RbeeError, tlsProblemOf } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders } from './headers.ts';

const DENIED_STATUSES: readonly number[] = [401, 403];
const MISSING_STATUSES: readonly number[] = [404, 410];
/** Request timeout, too early, too many requests: the same request may be answered later. */
const LATER_STATUSES: readonly number[] = [408, 425, 429];

/**
 * The error that a plain HTTP status of a file server stands for: `MODEL_ACCESS_DENIED`, `MODEL_NOT_FOUND`,
 * `SOURCE_UNAVAILABLE` with the wait that the server asks for, or `DOWNLOAD_FAILED`; `details.status` is the status.
 */
export function errorOfStatus(status: number, headers: ResponseHeaders, now: () => number = Date.now): RbeeError {
  const details = { status };
  if (DENIED_STATUSES.includes(status)) {
    const hint = 'the address may have expired, or need a token';
    return new RbeeError('MODEL_ACCESS_DENIED', `the server denies access (status ${status})`, { hint, details });
  }
  if (MISSING_STATUSES.includes(status)) {
    return new RbeeError('MODEL_NOT_FOUND', `the server does not have the file (status ${status})`, { details });
  }
  if (status >= 500 || LATER_STATUSES.includes(status)) {
    const retryAfterMs =
      parseRetryAfter(headerOf(headers, 'retry-after'), now()) ?? (status === 429 ? quotaWait(headers) : null);
    return new RbeeError('SOURCE_UNAVAILABLE', `the server is not available (status ${status})`, {
      details,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    });
  }
  return new RbeeError('DOWNLOAD_FAILED', `the server answered with status ${status}`, { details });
}

/**
 * Milliseconds until a quota that is used up is full again; null where no quota says that. The Hugging Face hub sends no `Retry-After` but
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
/** What undici calls a wrong use of it: no fault of the network. */
const BUG_CODES: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);

/**
 * What a socket's, TLS or HTTP parser's error means: `SOURCE_UNAVAILABLE` where no connection came about,
 * `DOWNLOAD_TIMEOUT`, else `DOWNLOAD_FAILED`. An error that is none of these comes back as it is.
 */
export function errorOfConnection(error: unknown, host: string): unknown {
  if (error instanceof RbeeError) return error;
  if (!(error instanceof Error)) return error;
  // A dispatcher that refuses a host (an address that is not allowed) may come wrapped by what carried it.
  if (error.cause instanceof RbeeError) return error.cause;
  // The parser of the answer leaves the code out where the answer is no HTTP at all.
  const code = errnoOf(error) ?? (error.name === 'HTTPParserError' ? 'HPE_INVALID' : null);
  if (code === null || BUG_CODES.has(code)) return error;
  const options = { cause: error, details: { host, code } };
  if (NAME_CODES.has(code)) {
    const hint = 'check the name, the DNS and the proxy settings';
    return new RbeeError('SOURCE_UNAVAILABLE', `the host ${host} cannot be found (${code})`, { ...options, hint });
  }
  if (UNREACHABLE_CODES.has(code)) {
    const hint = 'check the network and the proxy settings';
    return new RbeeError('SOURCE_UNAVAILABLE', `${host} cannot be reached (${code})`, { ...options, hint });
  }
  const tls = tlsProblemOf(code);
  if (tls !== null) {
    const message = `no secure connection to ${host}: ${tls.what}`;
    return new RbeeError('SOURCE_UNAVAILABLE', message, { ...options, hint: tls.hint });
  }
  if (TIMEOUT_CODES.has(code)) {
    return new RbeeError('DOWNLOAD_TIMEOUT', `${host} does not answer (${code})`, options);
  }
  // What fails in a system call on a socket is a fault of the connection, also where its code is a rare one.
  if (CUT_CODES.test(code) || 'syscall' in error) {
    return new RbeeError('DOWNLOAD_FAILED', `the connection to ${host} was cut (${code})`, options);
  }
  return error;
}
