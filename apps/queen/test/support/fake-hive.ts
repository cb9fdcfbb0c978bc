import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type HiveHeartbeat, toTimestamp } from '@rbee/contract';
import { type Channel, createResponseSink, createStreamHub, SSE_HEADERS } from '@rbee/event-stream';
import { createWatch, type WaitOptions } from '@rbee/testing';

/** A hive's streams on a real socket, with what it was asked. */
export interface FakeHive {
  readonly url: string;
  readonly requests: readonly IncomingMessage[];
  /** What answers a path: a channel as an event stream, a number as a status. */
  serve(path: string, answer: Channel | number): void;
  channel(): Channel;
  /** Resets every connection. */
  cut(): void;
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  close(): Promise<void>;
}

export async function startFakeHive(port = 0): Promise<FakeHive> {
  const hub = createStreamHub();
  const answers = new Map<string, Channel | number>();
  const requests: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const watch = createWatch(() => requests.map(({ url }) => url).join('\n'));
  const server: Server = createServer((request, response) => {
    requests.push(request);
    watch.poke();
    const answer = answers.get(request.url ?? '') ?? 404;
    if (typeof answer === 'number') {
      response.writeHead(answer).end();
      return;
    }
    response.writeHead(200, SSE_HEADERS);
    answer.attach(createResponseSink(response), request.headers['last-event-id']?.toString() ?? null);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    serve: (path, answer) => void answers.set(path, answer),
    channel: () => hub.channel({ mode: 'state' }),
    cut,
    waitFor: watch.waitFor,
    async close() {
      server.close();
      cut();
      await hub.close();
    },
  };
}

export function heartbeatOf(hiveId: string, url: string, more: Partial<HiveHeartbeat> = {}): string {
  const none = {
    queued: 0,
    starting: 0,
    downloading: 0,
    verifying: 0,
    paused: 0,
    complete: 0,
    failed: 0,
    cancelled: 0,
  };
  const heartbeat: HiveHeartbeat = {
    hive_id: hiveId,
    hive_url: url,
    version: '0.1.0',
    at: toTimestamp(Date.now()),
    downloads: none,
    speed_bps: 0,
    free_bytes: 1_000,
    ...more,
  };
  return JSON.stringify(heartbeat);
}
