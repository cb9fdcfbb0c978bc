import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { digest } from '../settings/secret-digest.ts';

/** Characters that a token must have before a daemon listens beyond loopback. */
export const MIN_TOKEN_LENGTH = 16;

export interface AccessPolicy {
  /** What clients must send as a bearer; null = loopback only, and nothing is asked. */
  readonly apiToken: string | null;
  /** What opens the routes for hives, and no others, beside it; null or nothing = hives send what clients send. */
  readonly hivesToken?: string | null;
  /** Whether the daemon speaks TLS: pages of plain http are then none of its own. */
  readonly isTls?: boolean;
}

type AccessHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A name or an address, and perhaps a port: what a browser sends. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@:[\]\\]+)(?::\d{1,5})?$/i;
/** Same-site is another port of this machine, or another name of this domain. */
const OTHER_SITES: readonly unknown[] = ['cross-site', 'same-site'];

/** Whether an address to listen on can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(?:\.\d{1,3}){3}$/.test(bare) || bare === '::ffff:127.0.0.1';
}

/** Why a daemon must not listen there, or null: a public bind needs a token. */
export function bindProblem(host: string, apiToken: string | null): string | null {
  if (isLoopback(host) || (apiToken !== null && apiToken.length >= MIN_TOKEN_LENGTH)) return null;
  return `listening on ${host} needs RBEE_API_TOKEN with ${MIN_TOKEN_LENGTH} characters or more, since others can reach it`;
}

/**
 * Refuses what a browser was tricked into sending: a request that another site makes, or, where no token is asked for, one
 * whose Host is a name (DNS rebinding: the page's own host name then leads to this daemon). A page does not know the token,
 * so with one any name will do. Only the Host header counts: what proxies add, anybody could.
 * @throws RbeeError ORIGIN_REFUSED
 */
export function checkOrigin(headers: AccessHeaders, policy: AccessPolicy): void {
  const { host, origin } = headers;
  const hostname = hostNameOf(host);
  if (hostname === null || (policy.apiToken === null && !isAddress(hostname))) {
    throw new RbeeError('ORIGIN_REFUSED', 'the Host header does not name this daemon', {
      hint: 'use its IP address or localhost; with RBEE_API_TOKEN set it may have any name',
    });
  }
  const isForeign = origin === undefined ? isOfOtherSite(headers) : !isOwnOrigin(origin, String(host), policy);
  if (isForeign) throw new RbeeError('ORIGIN_REFUSED', 'requests from other web pages are refused');
}

/**
 * Checks the bearer token in constant time: what is compared are digests, which have one length.
 * @throws RbeeError API_KEY_MISSING, API_KEY_INVALID
 */
export function checkToken({ authorization }: AccessHeaders, policy: AccessPolicy, isForHives = false): void {
  const { apiToken, hivesToken = null } = policy;
  const accepted = [apiToken, isForHives ? hivesToken : null].filter((token) => token !== null);
  if (accepted.length === 0) return;
  const hint = 'send "Authorization: Bearer …" with the RBEE_API_TOKEN of this daemon';
  const sent = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
  if (sent === undefined) throw new RbeeError('API_KEY_MISSING', 'this daemon wants a token', { hint });
  // All of them, so that the time does not tell which.
  const matches = accepted.map((token) => timingSafeEqual(digest(sent), digest(token)));
  if (!matches.includes(true))
    throw new RbeeError('API_KEY_INVALID', 'the token is not the one of this daemon', { hint });
}

function hostNameOf(host: AccessHeaders[string]): string | null {
  if (typeof host !== 'string' || !HOST.test(host)) return null;
  return URL.parse(`http://${host}`)?.hostname ?? null;
}

function isOwnOrigin(origin: AccessHeaders[string], host: string, { isTls = false }: AccessPolicy): boolean {
  const page = typeof origin === 'string' ? URL.parse(origin) : null;
  // A browser writes an origin in one way; with more in it, it is no origin.
  if (page === null || page.origin !== origin) return false;
  // What speaks TLS for a daemon of plain http is a proxy before it.
  const isOwnScheme = page.protocol === 'https:' || (page.protocol === 'http:' && !isTls);
  return isOwnScheme && page.host === URL.parse(`${page.protocol}//${host}`)?.host;
}

/** Requests that carry no Origin, such as those for images, of another site. Following a link to this daemon is fine. */
function isOfOtherSite(headers: AccessHeaders): boolean {
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return OTHER_SITES.includes(headers['sec-fetch-site']) && !isLink;
}

// A name can be rebound to another address by whoever owns it; an address cannot. So addresses pass.
function isAddress(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) !== 0 || isLoopback(bare);
}
