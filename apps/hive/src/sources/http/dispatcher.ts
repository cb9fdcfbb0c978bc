import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { isPrivateHost, isPublic as isPublicAddress } from './public-address.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** Resolves a name to all its addresses, as `dns.lookup` does with `all`. */
export type LookUpAll = (
  hostname: string,
  options: object,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface SourceDispatcherOptions {
  /** The origins of the hub and the registry: the operator chose them. Redirects from them are still checked. */
  readonly exemptOrigins: ReadonlySet<string>;
  readonly allowPrivate: boolean;
  /** Builds the connectors; default undici's. A `ReadPool` has one. */
  readonly buildConnector?: typeof buildConnector;
  /** Replaces the system's resolver and the table of public addresses. */
  readonly names?: { readonly lookUp: LookUpAll; readonly isPublic: (address: string) => boolean };
}

/**
 * The dispatcher for every request to a source: through the proxy of the environment if there is one, over HTTP/1.1
 * (HTTP/2 halves the speed of bodies), and to public addresses only. An address in a URL is checked before anything is
 * sent, even if a proxy would connect to it; a name is checked after DNS, when the socket connects.
 */
export function createSourceDispatcher(options: SourceDispatcherOptions): Dispatcher {
  const { allowPrivate, exemptOrigins, buildConnector: build = buildConnector } = options;
  const names = options.names ?? { lookUp: lookUpAll, isPublic: isPublicAddress };
  const sockets = { timeout: CONNECT_TIMEOUT_MS, allowH2: false };
  const open = build(sockets);
  const guarded = build({ ...sockets, lookup: publicOnly(names) } as never);
  const isOpen = (origin: string) => allowPrivate || exemptOrigins.has(origin);
  const connect: buildConnector.connector = (target, callback) => {
    if (isOpen(originOf(target))) return open(target, callback);
    if (isPrivateHost(target.hostname)) return void callback(notPublic(target.hostname), null);
    return guarded(target, callback);
  };
  const agent = new EnvHttpProxyAgent({ connect, allowH2: false });
  return agent.compose((dispatch) => (request, handler) => {
    const url = new URL(String(request.origin));
    if (!isOpen(url.origin) && isPrivateHost(url.hostname)) throw notPublic(url.hostname);
    return dispatch(request, handler);
  });
}

function originOf(target: buildConnector.Options): string {
  const { protocol, hostname, port } = target;
  return new URL(`${protocol}//${hostname}${port ? `:${port}` : ''}`).origin;
}

const lookUpAll: LookUpAll = (hostname, options, callback) =>
  systemLookup(hostname, { ...options, all: true }, callback);

/**
 * The lookup function of a socket. The socket connects to the address that was checked and resolves nothing again, so a
 * name that changes in between (DNS rebinding) gains nothing. One non-public address refuses the whole name, since the
 * socket could try them in turn.
 */
export function publicOnly({ lookUp, isPublic }: NonNullable<SourceDispatcherOptions['names']>): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, options, (error, addresses) => {
      if (error) return callback(error, '', 0);
      if (addresses.some(({ address }) => !isPublic(address))) return callback(notPublic(hostname), '', 0);
      // A socket that tries several addresses in turn wants all of them, any other only one.
      if (options.all) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };
}

function notPublic(host: string): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', `${host} is not a public address`, {
    hint: 'if the hive is on a private network, allow it with RBEE_HIVE_ALLOW_PRIVATE_SOURCES=true',
  });
}
