// A broadcaster as a process of its own. Argument: `rbee`, the stream hub behind the daemons' own server, or `node-http`, what one
// writes without a library. Each POST to the publish port goes to every reader as an event.
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { hiveRoutes } from '@rbee/contract';
import { addStream, createServer as createDaemonServer, createLogger } from '@rbee/daemon';
import { createStreamHub } from '@rbee/event-stream';

export interface RelayHello {
  /** All ports are on 127.0.0.1. */
  readonly port: number;
  /** Of the stream. */
  readonly path: string;
  readonly publishPort: number;
}

interface Broadcaster extends Omit<RelayHello, 'publishPort'> {
  publish(data: string): void;
}

const listenOptions = { port: 0, host: '127.0.0.1', backlog: 4_096 };
/** Longer than the other's turn: what is sent to idle readers in that time would count for the other. */
const keepAliveMs = 600_000;

const broadcasters: Readonly<Record<string, () => Promise<Broadcaster>>> = {
  rbee: async () => {
    const hub = createStreamHub({ keepAliveMs });
    const channel = hub.channel({ mode: 'state' });
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const app = await createDaemonServer({
      logger: createLogger({ name: 'bench', level: 'error' }, nowhere),
      hub,
      access: { apiToken: null },
      title: 'bench',
      version: '0.0.0',
      routes: {},
    });
    addStream(app, hub, hiveRoutes.heartbeats, () => channel);
    await app.listen(listenOptions);
    const { port } = app.server.address() as AddressInfo;
    return {
      port,
      path: hiveRoutes.heartbeats.path,
      publish: (data) => void channel.publish({ event: 'progress', data }, 'state'),
    };
  },
  'node-http': async () => {
    const readers = new Set<ServerResponse>();
    let sequence = 0;
    const port = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('retry: 3000\n\n');
      readers.add(response);
      response.on('close', () => readers.delete(response));
    });
    return {
      port,
      path: '/stream',
      publish(data) {
        sequence += 1;
        const event = Buffer.from(`event: progress\nid: 0123456789ab.${sequence}\ndata: ${data}\n\n`);
        for (const response of readers) response.write(event);
      },
    };
  },
};

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(listenOptions);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const start = broadcasters[process.argv[2] ?? ''];
if (start === undefined) throw new Error(`usage: server-main ${Object.keys(broadcasters).join('|')}`);
const { port, path, publish } = await start();
const publishPort = await listen((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    publish(Buffer.concat(chunks).toString());
    response.end();
  });
});
process.on('disconnect', () => process.exit());
process.send?.({ port, path, publishPort } satisfies RelayHello);
