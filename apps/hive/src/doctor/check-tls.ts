import { once } from 'node:events';
import { isIP, type Socket } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { RbeeError, tlsProblemOf } from '@rbee/contract';
import { errorOfConnection } from '@rbee/transfer';
import { hostOf, portOf } from '../sources/http/proxy/host-and-port.ts';
import { isSocks, type ProxyServer } from '../sources/http/proxy/proxy.ts';
import { connectThroughSocks } from '../sources/http/proxy/socks5.ts';
import { openTunnel } from '../sources/http/proxy/tunnel.ts';
import { SOCKET_OPTIONS } from '../sources/http/socket-options.ts';
import type { HubRoute } from './proxy-route.ts';
import { failed, ok, skipped, type Verdict, warning } from './verdict.ts';

const MS_PER_DAY = 86_400_000;
/** Most certificates are renewed earlier than this before they expire. */
const SOON_DAYS = 7;
const MAX_CHAIN = 10;
const MAX_NAME_CHARS = 80;

const CLOCK_HINT = 'check the clock of this machine; if it is right, the certificate must be renewed on the server';

/** The result of a TLS handshake. */
export interface SeenCertificate {
  /** OpenSSL's or Node's code for the problem of the chain; null where it is trusted. */
  readonly problem: string | null;
  /** The issuer of the last certificate in the chain. */
  readonly issuer: string;
  readonly validUntilMs: number;
  readonly protocol: string;
}

/** Does a TLS handshake with the hub along the route of requests, and examines the certificates. Sends no request. */
export async function checkTls(route: HubRoute, nowMs: number, signal: AbortSignal): Promise<Verdict> {
  const { hub } = route;
  if (hub.protocol !== 'https:') return skipped(`${hub.host} uses plain http: there is no certificate`);
  try {
    return judgeTls(hub.host, await handshake(route, signal), nowMs);
  } catch (error) {
    signal.throwIfAborted();
    const known = errorOfConnection(error, hub.host);
    if (!(known instanceof RbeeError)) throw error;
    return failed(known.message, known.hint);
  }
}

export function judgeTls(host: string, seen: SeenCertificate, nowMs: number): Verdict {
  const { problem, issuer, validUntilMs, protocol } = seen;
  const until = Number.isNaN(validUntilMs) ? 'an unreadable date' : day(validUntilMs);
  switch (problem) {
    case null: {
      const days = Math.floor((validUntilMs - nowMs) / MS_PER_DAY);
      if (days < SOON_DAYS)
        return warning(`the certificate of ${host} expires on ${until}`, 'it must be renewed on the server');
      return ok(`${protocol}, signed by ${issuer}, valid until ${until}`);
    }
    case 'CERT_HAS_EXPIRED':
      return failed(`the certificate of ${host} expired on ${until} by the clock of this machine`, CLOCK_HINT);
    case 'CERT_NOT_YET_VALID':
      return failed(`the certificate of ${host} is not valid yet by the clock of this machine`, CLOCK_HINT);
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return failed(
        `the certificate of ${host} is for another name`,
        'check the name in HF_ENDPOINT, and whether a proxy intercepts the connection',
      );
    default:
      return failed(
        `the certificate of ${host} is signed by ${issuer}, which this machine does not trust (${problem})`,
        tlsProblemOf(problem)?.hint,
      );
  }
}

async function handshake(route: HubRoute, signal: AbortSignal): Promise<SeenCertificate> {
  const { hub, proxy } = route;
  const host = hostOf(hub);
  const tunnel = proxy === null ? null : await throughProxy(proxy, hub, signal);
  const socket = connect({
    ...SOCKET_OPTIONS,
    host,
    port: portOf(hub),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tunnel === null ? {} : { socket: tunnel }),
    // Report the reason, not just the failure. The connection carries no data and is closed right away.
    rejectUnauthorized: false,
  });
  try {
    await once(socket, 'secureConnect', { signal });
    return certificateOf(socket);
  } finally {
    socket.on('error', () => {});
    socket.destroy();
    tunnel?.destroy();
  }
}

function throughProxy(proxy: ProxyServer, hub: URL, signal: AbortSignal): Promise<Socket> {
  if (!isSocks(proxy)) return openTunnel(proxy, hub, signal);
  return connectThroughSocks(proxy, { host: hostOf(hub), port: portOf(hub) }, signal);
}

function certificateOf(socket: TLSSocket): SeenCertificate {
  const chain = chainOf(socket.getPeerCertificate(true));
  const [own] = chain;
  const { O, CN } = chain.at(-1)?.issuer ?? {};
  const problem: unknown = socket.authorizationError;
  return {
    problem: socket.authorized ? null : String(problem ?? 'unknown'),
    issuer: nameOf(O ?? CN),
    validUntilMs: Date.parse(own?.valid_to ?? ''),
    protocol: socket.getProtocol() ?? 'TLS',
  };
}

/** From the hub's own to the last known certificate. The root is its own issuer. */
function chainOf(own: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain = [own];
  for (let at: DetailedPeerCertificate | undefined = own; chain.length < MAX_CHAIN; ) {
    at = at.issuerCertificate;
    if (at === undefined || chain.includes(at)) break;
    chain.push(at);
  }
  return chain;
}

function nameOf(part: string | string[] | undefined): string {
  const text = (Array.isArray(part) ? part[0] : part) ?? '';
  const clean = text.replaceAll(/[^\p{L}\p{N}\p{P}\p{Zs}]/gu, ' ').trim();
  return clean === '' ? 'an unnamed issuer' : clean.slice(0, MAX_NAME_CHARS);
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
