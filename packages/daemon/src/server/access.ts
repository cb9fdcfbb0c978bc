import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { digest } from '../settings/secret-digest.ts';

/** Minimum length of a token that protects a daemon beyond loopback. */
export const MIN_TOKEN_LENGTH = 16;

export interface AccessPolicy {
  /** The bearer token of clients; null = none is needed, and the daemon listens on loopback only. */
  readonly apiToken: string | null;
  /** A second token that is accepted on routes for hives only; null or undefined = hives use the token of clients. */
  readonly hivesToken?: string | null;
  /** Whether the daemon speaks TLS: an http origin is then a foreign one. */
  readonly isTls?: boolean;
}

type AccessHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A name or an address with an optional port, as browsers send it. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@:[\]\\]+)(?::\d{1,5})?$/i;
/** "same-site" includes other ports of this machine and other names of this domain. */
const OTHER_SITES: readonly unknown[] = ['cross-site', 'same-site'];

/** Whether an address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(?:\.\d{1,3}){3}$/.test(bare) || bare === '::ffff:127.0.0.1';
}

/** Why a daemon must not listen there, or null: beyond loopback it needs a token. */
export function bindProblem(host: string, apiToken: string | null): string | null {
  if (isLoopback(host) || (apiToken !== null && apiToken.length >= MIN_TOKEN_LENGTH)) return null;
  return `listening on ${host} requires an RBEE_API_TOKEN of at least ${MIN_TOKEN_LENGTH} characters, because other machines can reach it`;
}

/**
 * Refuses requests that a web page tricks a browser into sending: those from other sites and, if no token is set, those
 * whose Host is a name (DNS rebinding: the page's own host name resolves to this daemon). A page does not know the token,
 * so with a token any name is accepted. Only the Host header counts: anyone could send the headers that proxies add.
 * @throws RbeeError ORIGIN_REFUSED
 */
export function checkOrigin(headers: AccessHeaders, policy: AccessPolicy): void {
  const { host, origin } = headers;
  const hostname = hostNameOf(host);
  if (hostname === null || (policy.apiToken === null && !isAddress(hostname))) {
    throw new RbeeError('ORIGIN_REFUSED', 'the Host header does not match this daemon', {
      hint: 'use its IP address or localhost; with RBEE_API_TOKEN set, any name works',
    });
  }
  const isForeign = origin === undefined ? isOfOtherSite(headers) : !isOwnOrigin(origin, String(host), policy);
  if (isForeign) throw new RbeeError('ORIGIN_REFUSED', 'requests from other websites are not allowed');
}

/**
 * Checks the bearer token in constant time, by comparing digests of equal length.
 * @throws RbeeError API_KEY_MISSING, API_KEY_INVALID
 */
export function checkToken({ authorization }: AccessHeaders, policy: AccessPolicy, isForHives = false): void {
  const { apiToken, hivesToken = null } = policy;
  const accepted = [apiToken, isForHives ? hivesToken : null].filter((token) => token !== null);
  if (accepted.length === 0) return;
  const hint = 'send "Authorization: Bearer …" with the RBEE_API_TOKEN of this daemon';
  const sent = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
  if (sent === undefined) throw new RbeeError('API_KEY_MISSING', 'this daemon requires a token', { hint });
  // Compares with all of them, so that timing does not reveal which one matched.
  const matches = accepted.map((token) => timingSafeEqual(digest(sent), digest(token)));
  if (!matches.includes(true)) throw new RbeeError('API_KEY_INVALID', 'the token is wrong', { hint });
}

function hostNameOf(host: AccessHeaders[string]): string | null {
  if (typeof host !== 'string' || !HOST.test(host)) return null;
  return URL.parse(`http://${host}`)?.hostname ?? null;
}

function isOwnOrigin(origin: AccessHeaders[string], host: string, { isTls = false }: AccessPolicy): boolean {
  const page = typeof origin === 'string' ? URL.parse(origin) : null;
  // Browsers send origins in canonical form; anything else is not an origin.
  if (page === null || page.origin !== origin) return false;
  // An https origin of a plain http daemon means that a proxy in front terminates TLS.
  const isOwnScheme = page.protocol === 'https:' || (page.protocol === 'http:' && !isTls);
  return isOwnScheme && page.host === URL.parse(`${page.protocol}//${host}`)?.host;
}

/** Whether another site made a request without an Origin, such as for an image. Following a link is fine. */
function isOfOtherSite(headers: AccessHeaders): boolean {
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return OTHER_SITES.includes(headers['sec-fetch-site']) && !isLink;
}

// The owner of a name can rebind it to another address; an address cannot be rebound.
function isAddress(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) !== 0 || isLoopback(bare);
}
