import type { RbeeError } from '@rbee/contract/plain';

/** The `details.code` of a body that ended before its announced end. */
export const BODY_CUT = 'BODY_CUT';

/** Of a connection whose other side went away, rather than of a response that is wrong. */
const CUT_CODES: ReadonlySet<string> = new Set([
  BODY_CUT,
  'ECONNABORTED',
  'ECONNRESET',
  'ENOTCONN',
  'EPIPE',
  'HPE_INVALID_EOF_STATE',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_SOCKET',
]);

/** Request timeout, too early, too many requests. */
const LATER_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Whether waiting may help: no connection, no answer, a cut, a server that says "later", a shortage of this machine. Not an answer that is
 * wrong: that needs somebody's hand.
 */
export function isOutage(error: RbeeError): boolean {
  const code = error.details?.['code'];
  switch (error.code) {
    case 'DOWNLOAD_TIMEOUT':
      return true;
    case 'SOURCE_UNAVAILABLE':
      return typeof code === 'string' || isForNow(error.details?.['status']);
    default:
      if (error.code !== 'DOWNLOAD_FAILED') return false;
      return error.details?.['shortage'] !== undefined || (typeof code === 'string' && CUT_CODES.has(code));
  }
}

/** Not 501 and 505, which say "never", and not the refusal of a proxy, which stays until somebody changes a setting. */
function isForNow(status: unknown): boolean {
  if (typeof status !== 'number') return false;
  return status < 500 ? LATER_STATUSES.has(status) : status !== 501 && status !== 505;
}
