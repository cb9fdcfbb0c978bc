import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { SOCKET_OPTIONS } from '../socket-options.ts';
import { portOf } from './host-and-port.ts';
import { authorizationOf, hostOfProxy, type ProxyServer } from './proxy.ts';

const OPEN = 200;
const CREDENTIALS_WANTED = 407;

export interface Tunnel {
  /** The proxy's status: 200 where the tunnel is open. */
  readonly status: number;
  /** The caller destroys it. */
  readonly socket: Socket;
}

/** Requests a tunnel to a host from an HTTP proxy. @throws the socket's error, the signal's reason */
export async function requestTunnel(proxy: ProxyServer, to: URL, signal: AbortSignal): Promise<Tunnel> {
  const authority = `${to.hostname}:${portOf(to)}`;
  const request = sendToProxy(proxy, { method: 'CONNECT', path: authority, host: authority }, signal).end();
  const [response, socket] = (await once(request, 'connect', { signal })) as [IncomingMessage, Socket];
  socket.on('error', ignore);
  return { status: response.statusCode ?? 0, socket };
}

/** Opens a tunnel. @throws RbeeError SOURCE_UNAVAILABLE where the proxy refuses; as `requestTunnel` */
export async function openTunnel(proxy: ProxyServer, to: URL, signal: AbortSignal): Promise<Socket> {
  const { status, socket } = await requestTunnel(proxy, to, signal);
  if (status === OPEN) return socket;
  socket.destroy();
  throw refusalOfProxy(proxy, to.host, status);
}

/** Sends a request to an HTTP proxy over a connection of its own, so that no agent has to be closed. */
export function sendToProxy(
  proxy: ProxyServer,
  { method, path, host }: { readonly method: string; readonly path: string; readonly host: string },
  signal: AbortSignal,
): ClientRequest {
  const request = proxy.protocol === 'https:' ? requestHttps : requestHttp;
  const sent = request({
    ...SOCKET_OPTIONS,
    host: proxy.hostname,
    port: proxy.port,
    method,
    path,
    headers: { host, ...authorizationOf(proxy) },
    // Else the certificate of the proxy is compared with the Host header.
    servername: isIP(proxy.hostname) === 0 ? proxy.hostname : '',
    agent: false,
    signal,
  });
  // `once` reports errors while it waits; later ones, an abort's too, have no listener.
  return sent.on('error', ignore);
}

const ignore = (): void => {};

/** What a proxy's refusal means. It is the proxy's own, and says nothing of the server behind it. */
export function refusalOfProxy(proxy: ProxyServer, host: string, status: number): RbeeError {
  const options = { details: { status, proxy: hostOfProxy(proxy) } };
  if (status === CREDENTIALS_WANTED) {
    const message = `the proxy ${hostOfProxy(proxy)} requires a valid user and password (status ${status})`;
    const hint = `set them in ${proxy.variable}: ${proxy.protocol}//user:password@host:port`;
    return new RbeeError('SOURCE_UNAVAILABLE', message, { ...options, hint });
  }
  const message = `the proxy ${hostOfProxy(proxy)} refuses to connect to ${host} (status ${status})`;
  const hint = `ask the operator of the proxy to allow ${host}, or add it to NO_PROXY if no proxy is needed`;
  return new RbeeError('SOURCE_UNAVAILABLE', message, { ...options, hint });
}
