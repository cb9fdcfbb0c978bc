import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FaultQueue } from './fault.ts';
import type { Recorder } from './record.ts';
import type { Reply } from './reply.ts';
import type { RequestEntry, ServerName } from './request.ts';
import { sendReply } from './send-reply.ts';
import type { Throttle } from './throttle.ts';

export interface FaultyServerOptions {
  readonly name: ServerName;
  readonly port: number;
  readonly recorder: Recorder;
  readonly faults: FaultQueue;
  readonly throttle: Throttle;
  /** `body` is that of a POST; empty for any other method. */
  route(entry: RequestEntry, url: URL, body: string): Reply;
  /** Called before the route for a fault of this kind. */
  expireSignedUrls(): void;
  poke(): void;
}

export interface FaultyServer {
  readonly url: string;
  readonly openSockets: number;
  /** Resets every connection and refuses new ones. */
  pause(): Promise<void>;
  /** Listens again, at the same port. */
  resume(): Promise<void>;
  close(): Promise<void>;
}

/** Longer than any test, so that the server never closes a connection that a test relies on. */
const keepAliveMs = 300_000;
const maxBodyBytes = 1024 * 1024;

/** One HTTP server on loopback that records requests and injects faults. */
export async function startFaultyServer(options: FaultyServerOptions): Promise<FaultyServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0 });
  server.on('connection', (socket) => {
    sockets.add(socket);
    // Clients of tests reset connections on purpose.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      options.poke();
    });
    options.poke();
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const stop = async (end: (socket: Socket) => void): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) end(socket);
    await closed;
  };
  const port = await listen(options.port);
  const url = `http://127.0.0.1:${port}`;
  server.on('request', (request, response) => answer(options, url, request, response));
  return {
    url,
    get openSockets() {
      return sockets.size;
    },
    pause: () => stop((socket) => socket.resetAndDestroy()),
    async resume() {
      if (!server.listening) await listen(port);
    },
    close: () => stop((socket) => socket.destroy()),
  };
}

function answer(
  options: FaultyServerOptions,
  origin: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const entry: RequestEntry = {
    server: options.name,
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    range: request.headers.range ?? null,
    status: null,
    bytesSent: 0,
    ended: false,
    aborted: false,
    fault: null,
  };
  options.recorder.add(entry);
  const gone = new AbortController();
  response.once('close', () => {
    entry.ended = true;
    entry.aborted = !response.writableFinished && entry.fault !== 'drop' && !cutByFault(entry);
    gone.abort();
    options.poke();
  });
  const fault = options.faults.take(entry);
  entry.fault = fault?.kind ?? null;
  if (fault?.kind === 'expire_signed_urls') options.expireSignedUrls();
  const asked: RequestEntry = fault?.kind === 'ignore_range' ? { ...entry, range: null } : entry;
  const reply = async () => {
    const body = entry.method === 'POST' ? await readBody(request) : '';
    request.resume();
    const answered = options.route(asked, new URL(entry.url, origin), body);
    options.poke();
    const context = { response, entry, fault, throttle: options.throttle, gone: gone.signal, poke: options.poke };
    await sendReply(answered, context);
  };
  reply().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Error('a body that is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

const cutByFault = (entry: RequestEntry): boolean => entry.fault === 'reset' || entry.fault === 'close';
