import { setImmediate } from 'node:timers/promises';
import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders } from './headers.ts';

/** As many as a hub with a mirror and a signed CDN needs, and a few more. */
export const maxRedirects = 5;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status);
}

/**
 * Where a redirect leads. Which addresses may be reached is the dispatcher's matter; here is what a URL by itself may not be.
 * @throws RbeeError SOURCE_NOT_ALLOWED where it leads away from https or http, from https to http, or to a URL with credentials,
 *   DOWNLOAD_FAILED where it leads nowhere; the message names no more of the target than its scheme
 */
export function nextHop(from: URL, headers: ResponseHeaders): URL {
  const location = headerOf(headers, 'location');
  const to = location === null ? null : URL.parse(location, from.href);
  if (to === null) throw new RbeeError('DOWNLOAD_FAILED', `${from.host} redirects to nowhere`);
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isSafe) throw refused(`${from.host} redirects from ${from.protocol} to ${to.protocol}`);
  if (to.username !== '' || to.password !== '') throw refused(`${from.host} redirects to a URL with credentials`);
  to.hash = '';
  return to;
}

function refused(what: string): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', `${what}, which is refused`, {
    hint: 'name the address that it should lead to',
  });
}

/**
 * Resolves in the next turn of the event loop. undici counts a connection as busy until the turn in which its response ended is over
 * (its parser resets the client after the callbacks; not documented). A request sent earlier opens another connection, which costs a
 * handshake; nothing else depends on it.
 */
export function nextTurn(): Promise<void> {
  return setImmediate();
}
