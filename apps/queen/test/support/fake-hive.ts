import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import { type Hive, type HiveHeartbeat, RbeeError, toTimestamp } from '@rbee/contract';
import { type Channel, createResponseSink, createStreamHub, SSE_HEADERS } from '@rbee/event-stream';
import { createWatch, type WaitOptions } from '@rbee/testing';

/** A hive's streams on a real socket, with the requests it got. */
export interface FakeHive {
  readonly url: string;
  readonly requests: readonly IncomingMessage[];
  /** Told of each request as it comes. */
  onRequest: (request: IncomingMessage) => void;
  /** The response to POST /v1/jobs, by its body; undefined for what `serve` says. */
  onPost: ((body: Record<string, unknown>) => Promise<number | Json>) | undefined;
  /**
   * The response for a path, with or without its query, or a method and a path: a channel as an event stream, a number as a
   * status, an object as JSON, 'nothing' never; or what a function says.
   */
  serve(path: string, answer: Answer | ((url: URL) => Answer)): void;
  /** Serves it no more: as a hive that has no such job or download. */
  forget(path: string): void;
  /** Names itself at `/v1/info`. */
  beKnownAs(hiveId: string): void;
  /** Sends such heartbeats until it is closed, since a hive that falls silent is offline soon. */
  beat(hiveId: string, more?: Partial<HiveHeartbeat>): void;
  channel(): Channel;
  /** Resets every connection. */
  cut(): void;
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  close(): Promise<void>;
}

type Answer = Channel | number | Json | 'nothing' | 'hang up';

interface Json {
  readonly json: unknown;
  readonly status?: number;
}

const BEAT_MS = 250;

export async function startFakeHive(port = 0): Promise<FakeHive> {
  const streamHub = createStreamHub();
  let hive: FakeHive;
  const answers = new Map<string, Answer | ((url: URL) => Answer)>();
  const requests: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const watch = createWatch(() => requests.map(({ url }) => url).join('\n'));
  const server: Server = createServer(async (request, response) => {
    requests.push(request);
    hive.onRequest(request);
    watch.poke();
    if (request.method === 'POST' && request.url === '/v1/jobs' && hive.onPost !== undefined)
      answers.set('POST /v1/jobs', await hive.onPost((await json(request)) as Record<string, unknown>));
    const { method, url = '' } = request;
    const path = url.replace(/\?.*$/, '');
    const found = [`${method} ${url}`, `${method} ${path}`, url, path].find((key) => answers.has(key));
    const chosen = answers.get(found ?? '') ?? notFound(url);
    const answer = typeof chosen === 'function' ? chosen(new URL(url, 'http://hive')) : chosen;
    if (answer === 'hang up') {
      request.socket.resetAndDestroy();
      return;
    }
    if (answer === 'nothing') return;
    if (typeof answer === 'number') {
      response.writeHead(answer).end();
      return;
    }
    if ('json' in answer) {
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer.json));
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
  const beating = new Set<NodeJS.Timeout>();
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  hive = {
    onRequest: () => {},
    onPost: undefined,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    serve: (path, answer) => void answers.set(path, answer),
    forget: (path) => void answers.delete(path),
    beKnownAs(hiveId) {
      const info = { version: '0.1.0', uptime_secs: 1, models_dir: '/models', free_bytes: 1, settings: {} };
      answers.set('/v1/info', { json: { hive_id: hiveId, ...info } });
    },
    beat(hiveId, more) {
      const channel = streamHub.channel({ mode: 'state' });
      const send = () => channel.publish({ event: 'heartbeat', data: heartbeatOf(hiveId, hive.url, more) }, 'state');
      send();
      beating.add(setInterval(send, BEAT_MS));
      answers.set('/v1/heartbeats/stream', channel);
    },
    channel: () => streamHub.channel({ mode: 'state' }),
    cut,
    waitFor: watch.waitFor,
    async close() {
      for (const timer of beating) clearInterval(timer);
      server.close();
      cut();
      await streamHub.close();
    },
  };
  return hive;
}

function notFound(path: string): Json {
  const code = /^\/v1\/jobs\//.test(path) ? 'JOB_NOT_FOUND' : 'DOWNLOAD_NOT_FOUND';
  return { status: 404, json: { error: { code, message: 'there is none', request_id: 'r' } } };
}

export const NO_DOWNLOADS = {
  queued: 0,
  starting: 0,
  downloading: 0,
  verifying: 0,
  paused: 0,
  complete: 0,
  failed: 0,
  cancelled: 0,
};

/** A hive as the roster lists it. */
export function hiveNamed(hive_id: string, more: Partial<Hive> = {}): Hive {
  return {
    hive_id,
    hive_url: `http://${hive_id}:7835`,
    online: true,
    last_seen_at: null,
    version: null,
    active_downloads: 0,
    downloads: NO_DOWNLOADS,
    speed_bps: 0,
    free_bytes: null,
    max_bandwidth: null,
    max_concurrent_downloads: null,
    problem: null,
    ...more,
  };
}

/** A fleet of hives that are what they are. */
export function fleetOf(...hives: Hive[]) {
  return {
    list: () => hives,
    get(id: string): Hive {
      const found = hives.find(({ hive_id }) => hive_id === id);
      if (!found) throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${id}`);
      return found;
    },
  };
}

export function heartbeatOf(hiveId: string, url: string, more: Partial<HiveHeartbeat> = {}): string {
  const heartbeat: HiveHeartbeat = {
    hive_id: hiveId,
    hive_url: url,
    version: '0.1.0',
    at: toTimestamp(Date.now()),
    downloads: NO_DOWNLOADS,
    speed_bps: 0,
    free_bytes: 1_000,
    max_bandwidth: null,
    draining: false,
    ...more,
  };
  return JSON.stringify(heartbeat);
}
