import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { hostOf, portOf } from './proxy-route.ts';

export interface Tunnel {
  /** The proxy's status: 200 where the tunnel is open. */
  readonly status: number;
  /** The caller destroys it. */
  readonly socket: Socket;
}

/** Requests a tunnel to a host. @throws the socket's error, the signal's reason */
export async function openTunnel(proxy: URL, to: URL, signal: AbortSignal): Promise<Tunnel> {
  const authority = `${to.hostname}:${portOf(to)}`;
  const request = send(proxy, 'CONNECT', authority, authority, signal).end();
  const [response, socket] = (await once(request, 'connect', { signal })) as [IncomingMessage, Socket];
  socket.on('error', ignore);
  return { status: response.statusCode ?? 0, socket };
}

/** Sends a request through a proxy as for plain http; returns the status. */
export async function requestThrough(proxy: URL, to: URL, signal: AbortSignal): Promise<number> {
  const request = send(proxy, 'HEAD', to.href, to.host, signal).end();
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
  response.destroy();
  return response.statusCode ?? 0;
}

function send(proxy: URL, method: string, path: string, host: string, signal: AbortSignal): ClientRequest {
  const request = proxy.protocol === 'https:' ? requestHttps : requestHttp;
  const sent = request({
    host: hostOf(proxy),
    port: portOf(proxy),
    method,
    path,
    headers: { host, ...authorizationOf(proxy) },
    // A connection of its own: no agent has to be closed.
    agent: false,
    signal,
  });
  // `once` reports errors while it waits; later ones, an abort's too, have no listener.
  return sent.on('error', ignore);
}

const ignore = (): void => {};

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}
