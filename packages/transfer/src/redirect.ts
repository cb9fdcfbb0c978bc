import { RbeeError } from '@rbee/contract';
import { type AnswerHeaders, headerOf } from './http-fault.ts';

/** As many as a hub with a mirror and a signed CDN needs, and a few more. */
export const maxRedirects = 5;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status);
}

/**
 * Where a redirect leads.
 * @throws RbeeError SOURCE_NOT_ALLOWED where it leads away from https or http, DOWNLOAD_FAILED where it leads nowhere
 */
export function nextHop(from: URL, headers: AnswerHeaders): URL {
  const location = headerOf(headers, 'location');
  const to = location === null ? null : URL.parse(location, from.href);
  if (to === null) throw new RbeeError('DOWNLOAD_FAILED', `${from.host} redirects to nowhere`);
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isSafe) {
    const message = `${from.host} redirects from ${from.protocol} to ${to.protocol}//${to.host}, which is refused`;
    throw new RbeeError('SOURCE_NOT_ALLOWED', message);
  }
  return to;
}
