import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as sendOnward } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface HttpProxyOptions {
  /** The status of every answer in place of a connection. */
  readonly refuse?: number;
  /** It is spoken to over TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** Answers nothing. */
  readonly isSilent?: boolean;
}

/** An HTTP proxy on loopback. */
export interface HttpProxy {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** `CONNECT host:port`, or the URL of a request over plain http. */
  readonly asked: readonly string[];
  /** The Proxy-Authorization of each of them, decoded; null where there was none. */
  readonly credentials: readonly (string | null)[];
  close(): Promise<void>;
}

/** Starts a proxy that opens tunnels and forwards requests over plain http. */
export async function startHttpProxy({ refuse, tls, isSilent = false }: HttpProxyOptions = {}): Promise<HttpProxy> {
  const asked: string[] = [];
  const credentials: (string | null)[] = [];
  const sockets = new Set<Socket>();
  const note = (what: string, authorization: string | undefined) => {
    asked.push(what);
    const encoded = authorization?.replace(/^Basic /, '');
    credentials.push(encoded === undefined ? null : Buffer.from(encoded, 'base64').toString());
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    note(request.url ?? '', request.headers['proxy-authorization']);
    if (isSilent) return;
    if (refuse !== undefined) return void response.writeHead(refuse).end();
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const { method } = request;
    const onward = sendOnward(request.url ?? '', { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end();
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, socket: Socket) => {
    note(`CONNECT ${request.url}`, request.headers['proxy-authorization']);
    socket.on('error', () => socket.destroy());
    if (isSilent) return;
    if (refuse !== undefined) return void socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ''), () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    credentials,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
