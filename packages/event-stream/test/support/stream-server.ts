import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Channel } from '../../src/publish/channel.ts';
import { createResponseSink, SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import type { Sink } from '../../src/sinks/sink.ts';

export interface StreamServer {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  /** Server sides of the open connections, oldest first. */
  readonly sockets: readonly Socket[];
  readonly requests: readonly IncomingMessage[];
  /** Drops the requests so far, for a test of what is left in memory. */
  forget(): void;
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** Of a server over TLS, in PEM. */
export interface ServerIdentity {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** A real server on a free port of the loopback interface. `count` numbers its requests from 1. */
export async function startServer(handler: Handler, identity: ServerIdentity | null = null): Promise<StreamServer> {
  const sockets: Socket[] = [];
  const requests: IncomingMessage[] = [];
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    requests.push(request);
    handler(request, response, requests.length);
  };
  const server = identity === null ? createServer(onRequest) : createTlsServer(identity, onRequest);
  server.on(identity === null ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.push(socket);
    socket.on('close', () => sockets.splice(sockets.indexOf(socket), 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http${identity === null ? '' : 's'}://127.0.0.1:${port}/`,
    port,
    server,
    sockets,
    requests,
    forget: () => void requests.splice(0),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Serves a channel as a route does. `onWrite` gets the result of each write, false when the kernel was full. */
export function serveChannel(channel: Channel, onWrite?: (hasRoom: boolean) => void): Handler {
  return (request, response) => {
    const header = request.headers['last-event-id'];
    const lastEventId = typeof header === 'string' ? header : null;
    if (channel.accepts(lastEventId) === 'no_content') {
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, SSE_HEADERS);
    const sink = createResponseSink(response);
    const observed = onWrite === undefined ? sink : observe(sink, onWrite);
    if (channel.attach(observed, lastEventId) !== 'attached') response.end();
  };
}

function observe(sink: Sink, onWrite: (hasRoom: boolean) => void): Sink {
  return {
    write(frame) {
      const hasRoom = sink.write(frame);
      onWrite(hasRoom);
      return hasRoom;
    },
    end: () => sink.end(),
    destroy: () => sink.destroy(),
    onDrain: (listener) => sink.onDrain(listener),
    onClose: (listener) => sink.onClose(listener),
  };
}
