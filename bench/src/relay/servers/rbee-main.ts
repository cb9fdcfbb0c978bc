// The hub behind the daemons' own server, as hive and queen use it.
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { hiveRoutes } from '@rbee/contract';
import { addStream, createLogger, createServer } from '@rbee/daemon';
import { createStreamHub } from '@rbee/event-stream';
import { serveBench } from './serve-bench.ts';

/** Longer than the others' turns: what is sent to idle readers meanwhile would be counted to whoever is being measured. */
const keepAliveMs = 600_000;

const hub = createStreamHub({ keepAliveMs });
const channel = hub.channel({ mode: 'state' });
const logger = createLogger(
  { name: 'bench', level: 'error' },
  new Writable({ write: (_chunk, _encoding, done) => done() }),
);
const app = await createServer({
  logger,
  hub,
  access: { apiToken: null },
  title: 'bench',
  version: '0.0.0',
  routes: {},
});
addStream(app, hub, hiveRoutes.heartbeats, () => channel);
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });

await serveBench({
  port: (app.server.address() as AddressInfo).port,
  path: hiveRoutes.heartbeats.path,
  endAll: () => hub.close(),
  publish(data) {
    channel.publish({ event: 'progress', data }, 'state');
  },
});
