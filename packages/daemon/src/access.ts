import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { RbeeError } from '@rbee/contract';

/** Characters that a token must have before a daemon listens beyond loopback. */
export const MIN_TOKEN_LENGTH = 16;

export interface AccessPolicy {
  /** What clients must send as a bearer; null = loopback only, and nothing is asked. */
  readonly apiToken: string | null;
}

interface AccessHeaders {
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

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
 * Refuses what a browser was tricked into sending: a request whose Origin is another site, or, where no token is asked
 * for, whose Host is a name (DNS rebinding: the page's own host name then leads to this daemon). A page does not know
 * the token, so with one any name will do.
 * @throws RbeeError ORIGIN_REFUSED
 */
export function checkOrigin(headers: AccessHeaders, policy: AccessPolicy): void {
  const host = hostNameOf(headers.host ?? '');
  if (host === null || (policy.apiToken === null && !isAddress(host))) {
    throw new RbeeError('ORIGIN_REFUSED', 'the Host header does not name this daemon', {
      hint: 'use its IP address or localhost; with RBEE_API_TOKEN set it may have any name',
    });
  }
  if (headers.origin === undefined) return;
  const origin = URL.canParse(headers.origin) ? new URL(headers.origin).host : null;
  if (origin !== headers.host) throw new RbeeError('ORIGIN_REFUSED', 'requests from other web pages are refused');
}

/**
 * Checks the bearer token in constant time.
 * @throws RbeeError API_KEY_MISSING, API_KEY_INVALID
 */
export function checkToken(headers: AccessHeaders, policy: AccessPolicy): void {
  if (policy.apiToken === null) return;
  const hint = 'send "Authorization: Bearer …" with the RBEE_API_TOKEN of this daemon';
  const sent = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (sent === undefined) throw new RbeeError('API_KEY_MISSING', 'this daemon wants a token', { hint });
  if (!timingSafeEqual(digest(sent), digest(policy.apiToken))) {
    throw new RbeeError('API_KEY_INVALID', 'the token is not the one of this daemon', { hint });
  }
}

/** A token as logs may show it: 6 hex digits. */
export function fingerprint(token: string): string {
  return digest(token).toString('hex').slice(0, 6);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function hostNameOf(host: string): string | null {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : null;
}

// A name can be rebound to another address by whoever owns it; an address cannot. So addresses pass.
function isAddress(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) !== 0 || isLoopback(bare);
}
