import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { hostOf, portOf } from './proxy-route.ts';

export interface Tunnel {
  /** What the proxy answered: 200 where the tunnel is open. */
  readonly status: number;
  /** Whoever asked destroys it. */
  readonly socket: Socket;
}

/** Asks a proxy for a tunnel to a host. @throws the socket's error, the signal's reason */
export async function openTunnel(proxy: URL, to: URL, signal: AbortSignal): Promise<Tunnel> {
  const authority = `${to.hostname}:${portOf(to)}`;
  const asked = send(proxy, 'CONNECT', authority, authority, signal).end();
  const [answer, socket] = (await once(asked, 'connect', { signal })) as [IncomingMessage, Socket];
  socket.on('error', ignore);
  return { status: answer.statusCode ?? 0, socket };
}

/** Asks a proxy for a page of a host, as is done for plain http; the answer is its status. */
export async function askThrough(proxy: URL, to: URL, signal: AbortSignal): Promise<number> {
  const asked = send(proxy, 'HEAD', to.href, to.host, signal).end();
  const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage];
  answer.destroy();
  return answer.statusCode ?? 0;
}

function send(proxy: URL, method: string, path: string, host: string, signal: AbortSignal): ClientRequest {
  const request = proxy.protocol === 'https:' ? requestHttps : requestHttp;
  const sent = request({
    host: hostOf(proxy),
    port: portOf(proxy),
    method,
    path,
    headers: { host, ...authorizationOf(proxy) },
    // A connection of its own, which nobody has to close.
    agent: false,
    signal,
  });
  // Who waits hears of what goes wrong meanwhile; after that, of an abort too, nobody is left to hear of it.
  return sent.on('error', ignore);
}

const ignore = (): void => {};

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}
