import { type ModelRef, type RbeeError, tlsProblemOf } from '@rbee/contract';

/** The other side cannot be reached at all. */
const UNREACHABLE = /^(?:E(?:ACCES|ADDRNOTAVAIL|CONNREFUSED|HOSTDOWN|HOSTUNREACH|NETUNREACH|PERM|TIMEDOUT)|UND_ERR_)/;

/**
 * Whether an outage at the first request of a download is rather a mistake in the request: a name that does not exist, a certificate that
 * is not trusted, or a host of a URL that cannot be reached. The hub and the registry are the operator's choice, so they are waited for.
 */
export function blamesRequest({ details }: RbeeError, ref: ModelRef): boolean {
  const code = details?.['code'];
  const isNamed = ref.scheme === 'http' || ref.scheme === 'https';
  // A proxy responds with 502, 503 or 504 for a host that does not exist.
  if (typeof code !== 'string') return isNamed && details?.['proxy'] !== undefined;
  if (code === 'ENOTFOUND' || tlsProblemOf(code) !== null) return true;
  return isNamed && (UNREACHABLE.test(code) || code.startsWith('EAI_'));
}
