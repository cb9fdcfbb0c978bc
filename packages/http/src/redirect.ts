import { setImmediate } from 'node:timers/promises';
import { RbeeError } from '@rbee/contract/plain';
import { createCookies } from './cookies.ts';
import { headerOf, type ResponseHeaders } from './headers.ts';

/** Enough for a hub behind a mirror with a signed CDN, and a few to spare. */
export const maxRedirects = 5;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status);
}

/** What `followRedirects` looks at in a response. */
export interface RedirectResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export interface RedirectStart {
  readonly url: URL;
  /** For this URL's origin only: dropped at the first redirect to another one. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RedirectOptions<R> {
  /** Frees a response that is not the last one: nobody reads its body. */
  readonly discard?: (response: R) => void;
  /** The error after too many redirects; left out, DOWNLOAD_FAILED. */
  readonly tooMany?: () => Error;
}

/** One request on the way from the first URL to the final response. */
export interface Hop<R> {
  readonly url: URL;
  readonly response: R;
  /** Where the response redirects to; null for the final response. */
  readonly to: URL | null;
}

/**
 * Sends requests along a chain of redirects and yields every hop. The final response comes last, whatever its status, and belongs
 * to the caller. A caller that leaves the loop early, or throws from it, stops the chain; the redirect it stopped at is discarded.
 *
 * `send` gets the headers that this origin may see, with the cookies that it has set on the way. Once an origin was left they are gone, also when a later hop leads back to it.
 * @throws RbeeError as `nextHop` says; DOWNLOAD_FAILED or `tooMany` after 5 redirects; what `send` throws
 */
export async function* redirectHops<R extends RedirectResponse>(
  start: RedirectStart,
  send: (url: URL, headers: Readonly<Record<string, string>>) => Promise<R>,
  { discard, tooMany }: RedirectOptions<R> = {},
): AsyncGenerator<Hop<R>, void, undefined> {
  let { url, headers = {} } = start;
  const cookies = createCookies();
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    await nextTurn();
    const response = await send(url, cookies.addTo(url, headers));
    cookies.keep(url, response.headers);
    if (!isRedirect(response.status)) {
      yield { url, response, to: null };
      return;
    }
    let to: URL;
    try {
      to = nextHop(url, response.headers);
      yield { url, response, to };
    } finally {
      discard?.(response);
    }
    if (to.origin !== url.origin) headers = {};
    url = to;
  }
  throw tooMany?.() ?? new RbeeError('DOWNLOAD_FAILED', `${start.url.host}: more than ${maxRedirects} redirects`);
}

/** Follows redirects to the final response; see `redirectHops`. */
export async function followRedirects<R extends RedirectResponse>(
  start: RedirectStart,
  send: (url: URL, headers: Readonly<Record<string, string>>) => Promise<R>,
  options?: RedirectOptions<R>,
): Promise<{ readonly url: URL; readonly response: R }> {
  for await (const { url, response, to } of redirectHops(start, send, options)) {
    if (to === null) return { url, response };
  }
  throw new Error('the hops ended without a final response');
}

/**
 * The target of a redirect. Only what is wrong with a URL by itself is checked here; which addresses may be reached is up to the
 * dispatcher.
 * Names in raw UTF-8 are read as such, in Latin-1 where they are no UTF-8.
 * @throws RbeeError SOURCE_NOT_ALLOWED for a scheme other than https and http, a step from https to http, or a URL with credentials;
 *   DOWNLOAD_FAILED for a missing or invalid target. The message names nothing of the target but its scheme
 */
export function nextHop(from: URL, headers: ResponseHeaders): URL {
  const location = headerOf(headers, 'location');
  const to = location === null ? null : URL.parse(asUtf8(location), from.href);
  if (to === null) throw new RbeeError('DOWNLOAD_FAILED', `${from.host} redirects to an invalid URL`);
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isSafe) throw refused(`redirect from ${from.protocol} to ${to.protocol}`, from);
  if (to.username !== '' || to.password !== '') throw refused('redirect to a URL with credentials', from);
  to.hash = '';
  return to;
}

/** Header bytes arrive as Latin-1, but servers that do not encode names in a `Location` send UTF-8. */
function asUtf8(header: string): string {
  if (!/^[\x00-\xff]*$/.test(header)) return header;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1'));
  } catch {
    return header;
  }
}

function refused(what: string, { host }: URL): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', `${host}: ${what} refused`, { hint: 'use the target URL directly' });
}

/**
 * Resolves in the next turn of the event loop. undici counts a connection as busy until the turn in which its response ended is over
 * (its parser resets the client after the callbacks; not documented). A request sent earlier opens another connection, which costs a
 * handshake; nothing else depends on it.
 */
export function nextTurn(): Promise<void> {
  return setImmediate();
}
