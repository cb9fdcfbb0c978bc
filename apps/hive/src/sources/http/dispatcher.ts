import { isIP, type LookupFunction } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { errorOfConnection } from '@rbee/transfer';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { addressOf, type LookUpAll, lookUpAll, publicOnly, reachedFirst } from './look-up.ts';
import { hostOf, portOf } from './proxy/host-and-port.ts';
import { NO_PROXIES, type Proxies } from './proxy/proxies.ts';
import { authorizationOf, hostOfProxy, isSocks, originOfProxy, type ProxyServer } from './proxy/proxy.ts';
import { connectThroughSocks } from './proxy/socks5.ts';
import { openTunnel } from './proxy/tunnel.ts';
import { isPrivateHost, isPublic as isPublicAddress, notPublic } from './public-address.ts';
import { CONNECT_TIMEOUT_MS, MAX_HEADER_BYTES, SOCKET_OPTIONS } from './socket-options.ts';

export interface SourceDispatcherOptions {
  /** The origins of the hub and the registry: the operator chose them. Redirects from them are still checked. */
  readonly exemptOrigins: ReadonlySet<string>;
  readonly allowPrivate: boolean;
  /** Default: none. */
  readonly proxies?: Proxies;
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
  const { proxies = NO_PROXIES } = options;
  const forwarders = new Set<string>();
  const connect = createConnector(options, forwarders);
  const agent = new Agent({ connect, allowH2: false, maxHeaderSize: MAX_HEADER_BYTES });
  return agent.compose((dispatch) => (request, handler) => {
    const url = new URL(String(request.origin));
    if (!isOpen(options, url.origin) && isPrivateHost(url.hostname)) throw notPublic(url.hostname);
    const proxy = url.protocol === 'http:' ? proxies.of(url) : null;
    if (proxy === null || isSocks(proxy)) return dispatch(request, handler);
    forwarders.add(originOfProxy(proxy));
    return dispatch(forwarded(request, url, proxy), handler);
  });
}

const SOCKETS = { ...SOCKET_OPTIONS, timeout: CONNECT_TIMEOUT_MS, allowH2: false } as buildConnector.BuildOptions;

function isOpen({ allowPrivate, exemptOrigins }: SourceDispatcherOptions, origin: string): boolean {
  return allowPrivate || exemptOrigins.has(origin);
}

/** The request as an HTTP proxy takes it for plain http (RFC 9112, section 3.2.2). */
function forwarded(request: Dispatcher.DispatchOptions, url: URL, proxy: ProxyServer): Dispatcher.DispatchOptions {
  return {
    ...request,
    origin: originOfProxy(proxy),
    path: url.origin + request.path,
    headers: { ...(request.headers as Record<string, string>), host: url.host, ...authorizationOf(proxy) },
    // Else the certificate of the proxy is compared with the Host header.
    ...(proxy.protocol === 'https:' && isIP(proxy.hostname) === 0 ? { servername: proxy.hostname } : {}),
  };
}

/** @param forwarders the origins of HTTP proxies: the operator chose them, so they may be private */
function createConnector(options: SourceDispatcherOptions, forwarders: ReadonlySet<string>): buildConnector.connector {
  const { buildConnector: build = buildConnector, proxies = NO_PROXIES } = options;
  const names = options.names ?? { lookUp: lookUpAll, isPublic: isPublicAddress };
  const { lookUp, remember } = reachedFirst(names.lookUp);
  const lookups = {
    open: publicOnly({ lookUp, isPublic: () => true }),
    guarded: publicOnly({ lookUp, isPublic: names.isPublic }),
  };
  const direct = {
    open: build({ ...SOCKETS, lookup: lookups.open } as never),
    guarded: build({ ...SOCKETS, lookup: lookups.guarded } as never),
  };
  const throughTunnel = createTunnelConnector();
  return (target, callback) => {
    const url = urlOf(target);
    const isForwarder = forwarders.has(url.origin);
    const mode = isForwarder || isOpen(options, url.origin) ? 'open' : 'guarded';
    if (mode === 'guarded' && isPrivateHost(url.hostname)) return void callback(notPublic(url.hostname), null);
    const proxy = isForwarder ? null : proxies.of(url);
    if (proxy !== null) return throughTunnel(proxy, { url, target, lookup: lookups[mode] }, callback);
    direct[mode](target, (...result) => {
      remember(target.hostname, result[1]?.remoteAddress);
      callback(...result);
    });
  };
}

interface TunnelTarget {
  readonly url: URL;
  readonly target: buildConnector.Options;
  /** Resolves names where the proxy does not. */
  readonly lookup: LookupFunction;
}

function createTunnelConnector() {
  // The socket is connected already, so it cannot read into a pool.
  const secure = buildConnector(SOCKETS);
  return (proxy: ProxyServer, { url, target, lookup }: TunnelTarget, callback: buildConnector.Callback): void => {
    const limit = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    const open = isSocks(proxy) ? openSocks(proxy, url, lookup, limit) : openTunnel(proxy, url, limit);
    open.then(
      (socket) => {
        if (target.protocol === 'https:') secure({ ...target, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(limit.aborted ? tooSlow(proxy) : proxyError(proxy, error), null),
    );
  };
}

async function openSocks(proxy: ProxyServer, url: URL, lookup: LookupFunction, signal: AbortSignal) {
  const name = hostOf(url);
  const host = proxy.protocol === 'socks5:' && isIP(name) === 0 ? await addressOf(name, lookup) : name;
  return connectThroughSocks(proxy, { host, port: portOf(url) }, signal);
}

function tooSlow(proxy: ProxyServer): RbeeError {
  const message = `the proxy ${hostOfProxy(proxy)} opened no connection within ${CONNECT_TIMEOUT_MS / 1_000} s`;
  return new RbeeError('SOURCE_UNAVAILABLE', message, {
    hint: `check the proxy, and its address in ${proxy.variable}`,
    details: { proxy: hostOfProxy(proxy), code: 'ETIMEDOUT' },
  });
}

/** An error of the socket to the proxy says nothing of the server behind it. */
function proxyError(proxy: ProxyServer, error: Error): Error {
  return errorOfConnection(error, `the proxy ${hostOfProxy(proxy)}`) as Error;
}

/** undici gives an IPv6 address without the brackets of a URL. */
function urlOf({ protocol, hostname, port }: buildConnector.Options): URL {
  const host = isIP(hostname) === 6 ? `[${hostname}]` : hostname;
  return new URL(`${protocol}//${host}${port ? `:${port}` : ''}`);
}
