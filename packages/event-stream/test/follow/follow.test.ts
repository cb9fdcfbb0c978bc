import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { type FollowedEvent, type FollowOptions, follow } from '../../src/follow/follow.ts';
import { FollowError } from '../../src/follow/follow-error.ts';
import type { ConnectionChange } from '../../src/follow/reconnecting-fetch.ts';
import { encodeFrame, encodeRetry } from '../../src/frame.ts';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import { type Handler, type StreamServer, serveChannel, startServer } from '../support/stream-server.ts';
import { waitFor } from '../support/wait-for.ts';

/*
 * Goal: whatever a peer does, a follower delivers each event once and in order, ends cleanly, and leaves neither sockets nor timers.
 * Method: a real server whose handler plays the fault at the socket; the server's own view (requests, sockets) is what is checked.
 * A failure shows as a wrong order of events, a request too many, or a socket that is still open.
 */

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handler: Handler): Promise<StreamServer> {
  const server = await startServer(handler);
  cleanups.push(server.close);
  return server;
}

type Response = Parameters<Handler>[1];
const event = (sequence: number, name = 'progress') =>
  encodeFrame({ event: name, id: `e.${sequence}`, data: `${sequence}` });
const open = (response: Response) => response.writeHead(200, SSE_HEADERS).flushHeaders();
function send(response: Response, ...frames: { plain: Buffer }[]): void {
  if (!response.headersSent) open(response);
  for (const frame of frames) response.write(frame.plain);
}

/** Follows with small delays and records everything. */
function start(server: StreamServer | string, more: Partial<FollowOptions> = {}) {
  const events: FollowedEvent[] = [];
  const changes: ConnectionChange[] = [];
  const stop = new AbortController();
  cleanups.push(() => stop.abort(new Error('the test is over')));
  const result = follow({
    url: typeof server === 'string' ? server : server.url,
    events: ['progress', 'notice', 'complete', 'error'],
    onEvent: (followed) => events.push(followed),
    isTerminal: (followed) => followed.event === 'complete' || followed.event === 'error',
    signal: stop.signal,
    backoff: { baseMs: 2, maxMs: 20 },
    onConnection: (change) => changes.push(change),
    ...more,
  });
  result.catch(() => {});
  return { events, changes, stop, result, ids: () => events.map((followed) => followed.id) };
}

async function failureOf(result: Promise<unknown>): Promise<FollowError> {
  const error = await result.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FollowError)) throw new Error(`expected a FollowError, got ${String(error)}`);
  return error;
}

const lastEventIds = (server: StreamServer) => server.requests.map((request) => request.headers['last-event-id']);
const noSocketLeft = (server: StreamServer) => waitFor(() => server.sockets.length === 0, 'no socket left');

describe('following a stream', () => {
  it('delivers named and unnamed events in order, once, up to the terminal one', async () => {
    const server = await serve((_request, response) => {
      const unnamed = encodeFrame({ id: 'e.2', data: 'two\nlines' });
      const stranger = event(3, 'stranger');
      send(
        response,
        encodeRetry(3000),
        event(1),
        unnamed,
        stranger,
        event(4, 'complete'),
        event(5),
        event(6, 'complete'),
      );
    });
    const followed = start(server, { events: ['progress', 'message', 'progress', 'complete'] });
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.events).toEqual([
      { event: 'progress', data: '1', id: 'e.1' },
      { event: 'message', data: 'two\nlines', id: 'e.2' },
      { event: 'complete', data: '4', id: 'e.4' },
    ]);
    expect(followed.changes).toEqual([{ state: 'open' }]);
    expect(server.requests).toHaveLength(1);
    await noSocketLeft(server);
  });

  it('distinguishes an event named error from a lost connection', async () => {
    const server = await serve((_request, response, count) => {
      if (count === 1) response.socket?.resetAndDestroy();
      else send(response, event(1), event(2, 'error'));
    });
    const followed = start(server);
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.events.map((each) => each.event)).toEqual(['progress', 'error']);
  });

  it('sends its headers, asks for no compression and starts at the given id', async () => {
    const server = await serve((_request, response) => send(response, event(9, 'complete')));
    const followed = start(server, { headers: { authorization: 'Bearer abc' }, lastEventId: 'e.8' });
    await followed.result;
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer abc',
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      'last-event-id': 'e.8',
    });
  });

  it('follows a hub across its whole life', async () => {
    const channel = createStreamHub().channel({ mode: 'log', epoch: 'e' });
    for (let count = 0; count < 5; count += 1) channel.publish({ event: 'progress', data: 'x' }, 'keep');
    const server = await serve(serveChannel(channel));
    const followed = start(server);
    for (let round = 0; round < 5; round += 1) {
      await waitFor(() => followed.events.length === 5 + round * 2, 'the events so far');
      for (const socket of [...server.sockets]) socket.resetAndDestroy();
      for (let count = 0; count < 2; count += 1) channel.publish({ event: 'progress', data: 'x' }, 'keep');
    }
    channel.publish({ event: 'complete', data: 'x' }, 'terminal');
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.ids()).toEqual(Array.from({ length: 16 }, (_, index) => `e.${index + 1}`));
    expect((await start(server, { lastEventId: 'e.16' }).result).reason).toBe('no_content');
  });

  it('ends with no_content on 204', async () => {
    const server = await serve((_request, response) => void response.writeHead(204).end());
    const followed = start(server);
    expect(await followed.result).toEqual({ reason: 'no_content' });
    expect(followed.events).toEqual([]);
    expect(server.requests).toHaveLength(1);
    await noSocketLeft(server);
  });
});

describe('a lost connection', () => {
  it('is mended after a reset, with the id of the last event', async () => {
    const server = await serve((_request, response, count) => {
      send(response, event(count * 2 - 1), event(count * 2, count === 3 ? 'complete' : 'progress'));
    });
    const followed = start(server);
    for (const count of [2, 4]) {
      await waitFor(() => followed.events.length === count, `${count} events`);
      server.sockets.at(-1)?.resetAndDestroy();
    }
    await followed.result;
    expect(followed.ids()).toEqual(['e.1', 'e.2', 'e.3', 'e.4', 'e.5', 'e.6']);
    expect(lastEventIds(server)).toEqual([undefined, 'e.2', 'e.4']);
    expect(followed.changes.map((change) => change.state)).toEqual(['open', 'lost', 'open', 'lost', 'open']);
  });

  it('is mended after a clean end without a terminal event', async () => {
    const server = await serve((_request, response, count) => {
      send(response, event(count, count === 3 ? 'complete' : 'progress'));
      response.end();
    });
    const followed = start(server);
    await followed.result;
    expect(followed.ids()).toEqual(['e.1', 'e.2', 'e.3']);
    expect(lastEventIds(server)).toEqual([undefined, 'e.1', 'e.2']);
  });

  it('drops an event that was cut off, even where its line was whole', async () => {
    const server = await serve((_request, response, count) => {
      if (count === 5) send(response, event(2, 'complete'));
      else {
        const cut = ['id: e.9\ndata: cut', 'data: cut\n', 'data: cut\nid: e.9\n', 'data: cut\r'][count - 1] ?? '';
        send(response, event(1), { plain: Buffer.from(cut) });
        response.end();
      }
    });
    const followed = start(server);
    await followed.result;
    expect(followed.events.map((each) => each.data)).toEqual(['1', '2']);
    expect(new Set(lastEventIds(server))).toEqual(new Set([undefined, 'e.1']));
  });

  it('does not repeat a snapshot that has not changed, and shows one that has', async () => {
    const server = await serve((_request, response, count) => {
      const sequence = [1, 1, 2, 2, 3][count - 1] ?? 3;
      send(response, event(sequence, sequence === 3 ? 'complete' : 'progress'));
      response.end();
    });
    const followed = start(server);
    await followed.result;
    expect(followed.ids()).toEqual(['e.1', 'e.2', 'e.3']);
    expect(server.requests).toHaveLength(5);
  });

  it('shows two equal events of one connection twice', async () => {
    const server = await serve((_request, response) => send(response, event(1), event(1), event(2, 'complete')));
    const followed = start(server);
    await followed.result;
    expect(followed.ids()).toEqual(['e.1', 'e.1', 'e.2']);
  });

  it.each([503, 500, 502, 429, 408])('is tried again after %d, three times', async (status) => {
    const server = await serve((_request, response, count) => {
      if (count <= 3) response.writeHead(status).end('busy');
      else send(response, event(1, 'complete'));
    });
    const followed = start(server);
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.changes).toEqual([
      ...[1, 2, 3].map((attempt) => ({ state: 'lost', reason: `HTTP ${status}`, attempt })),
      { state: 'open' },
    ]);
    await noSocketLeft(server);
  });

  it('waits as long as Retry-After says', async () => {
    const times: number[] = [];
    const server = await serve((_request, response, count) => {
      times.push(performance.now());
      if (count === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else send(response, event(1, 'complete'));
    });
    await start(server).result;
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it('waits as long as the farewell of a server says, up to the limit', async () => {
    const times: number[] = [];
    const server = await serve((_request, response, count) => {
      times.push(performance.now());
      const farewell = encodeRetry(count === 1 ? 150 : 86_400_000);
      send(response, encodeRetry(60_000), event(count, count === 3 ? 'complete' : 'progress'), farewell);
      response.end();
    });
    await start(server, { backoff: { baseMs: 2, maxMs: 300 } }).result;
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(145);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(295);
  });

  it('is noticed when the peer falls silent', async () => {
    const server = await serve((_request, response, count) =>
      send(response, event(count, count > 1 ? 'complete' : 'progress')),
    );
    const followed = start(server, { watchdogMs: 1_000 });
    await followed.result;
    expect(followed.ids()).toEqual(['e.1', 'e.2']);
    expect(followed.changes[1]).toMatchObject({ state: 'lost', reason: 'no byte for 1000 ms', attempt: 1 });
    await noSocketLeft(server);
  });

  it('is noticed when the peer never responds at all', async () => {
    const server = await serve((_request, response, count) => {
      if (count >= 2) send(response, event(1, 'complete'));
    });
    const followed = start(server, { watchdogMs: 60 });
    await followed.result;
    expect(followed.changes[0]).toMatchObject({ state: 'lost', attempt: 1 });
  });

  it('is retried while the port is closed, until the attempts are used up', async () => {
    const server = await startServer(() => {});
    await server.close();
    const followed = start(server, { maxAttempts: 4 });
    const error = await failureOf(followed.result);
    expect(error.message).toContain('gave up after 4 attempts: ECONNREFUSED');
    expect(error.status).toBeNull();
    expect(followed.changes).toHaveLength(4);
  });

  it('resets the attempts after a connection that brought events', async () => {
    const server = await serve((_request, response, count) => {
      if (count % 3 === 0) send(response, event(count, count === 9 ? 'complete' : 'progress'));
      if (count % 3 === 0) response.end();
      else response.writeHead(503).end();
    });
    const followed = start(server, { maxAttempts: 3 });
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.ids()).toEqual(['e.3', 'e.6', 'e.9']);
    const attempts = followed.changes.map((change) => (change.state === 'lost' ? change.attempt : 'open'));
    expect(attempts).toEqual([1, 2, 'open', 1, 2, 3, 'open', 1, 2, 3, 'open']);
  });

  it('gives the last status when the attempts are used up', async () => {
    const server = await serve((_request, response) => void response.writeHead(503).end());
    expect(await failureOf(start(server, { maxAttempts: 2 }).result)).toMatchObject({
      status: 503,
      name: 'FollowError',
    });
  });
});

describe('a final response', () => {
  it.each([400, 401, 403, 404, 410, 202])('%d is thrown with its body and not retried', async (status) => {
    const server = await serve((_request, response) => void response.writeHead(status).end('{"error":"why"}'));
    const error = await failureOf(start(server).result);
    expect(error).toMatchObject({ status, body: '{"error":"why"}' });
    expect(server.requests).toHaveLength(1);
    await noSocketLeft(server);
  });

  it('has at most 64 KiB of body, also when that has no end', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(404);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    const error = await failureOf(start(server).result);
    expect(error.body).toHaveLength(64 * 1024);
    await noSocketLeft(server);
  });

  it('is one that is no event stream', async () => {
    const server = await serve((_request, response) => void response.end('<html>'));
    expect(await failureOf(start(server).result)).toMatchObject({ status: 200, body: '<html>' });
  });

  it.each(['ftp://127.0.0.1/', 'http://user:secret@127.0.0.1/', 'no url'])(
    '%j is refused without asking',
    async (url) => {
      const error = await start(url).result.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).not.toContain('secret');
    },
  );

  it('is a port that fetch does not serve', async () => {
    expect((await failureOf(start('http://127.0.0.1:6667/').result)).message).toContain('port');
  });
});

describe('redirects', () => {
  it('are followed, with the headers on the same origin and without them on another', async () => {
    const other = await serve((_request, response) => send(response, event(1, 'complete')));
    const server = await serve((request, response) => {
      if (request.url === '/') response.writeHead(307, { location: '/moved' }).end();
      else response.writeHead(302, { location: other.url }).end();
    });
    const followed = start(server, { headers: { authorization: 'Bearer abc', 'x-token': 'abc' }, lastEventId: 'e.0' });
    await followed.result;
    expect(server.requests.map((request) => request.headers.authorization)).toEqual(['Bearer abc', 'Bearer abc']);
    expect(other.requests[0]?.headers).toMatchObject({ 'last-event-id': 'e.0' });
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(other.requests[0]?.headers).not.toHaveProperty('x-token');
  });

  it('come back to the first origin without its headers, once another was visited', async () => {
    const other = await serve((_request, response) => void response.writeHead(302, { location: back }).end());
    const server = await serve((request, response) => {
      if (request.url === '/back') send(response, event(1, 'complete'));
      else response.writeHead(302, { location: other.url }).end();
    });
    const back = new URL('/back', server.url).href;
    await start(server, { headers: { authorization: 'Bearer abc' } }).result;
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer abc', undefined]);
  });

  it('come with the cookies that their origin has set on the way', async () => {
    const server = await serve((request, response) => {
      if (request.url !== '/') send(response, event(1, 'complete'));
      else response.writeHead(302, { location: '/x', 'set-cookie': ['a=1; Path=/', 'b=2'] }).end();
    });
    await start(server).result;
    expect(server.requests.map(({ headers }) => headers.cookie)).toEqual([undefined, 'a=1; b=2']);
  });

  it('to nowhere end it', async () => {
    const server = await serve((_request, response) => void response.writeHead(302).end());
    expect(await failureOf(start(server).result)).toMatchObject({ status: 302 });
  });

  it('in a circle end it', async () => {
    const server = await serve((_request, response) => void response.writeHead(302, { location: '/' }).end());
    const error = await failureOf(start(server).result);
    expect(error.message).toContain('redirects');
    expect(server.requests.length).toBeLessThanOrEqual(6);
  });

  it.each(['file:///etc/passwd', 'http://user:pw@127.0.0.1/', 'http://['])('to %j end it', async (location) => {
    const server = await serve((_request, response) => void response.writeHead(302, { location }).end());
    expect(await failureOf(start(server).result)).toMatchObject({ status: 302 });
  });
});

describe('a hostile peer', () => {
  const hostile = [
    'closes at once',
    'sends one event',
    'sends a retry of zero',
    'sends a retry beyond measure',
    'resets',
    'responds with 503',
    'never responds',
    'sends an endless line after an event',
  ] as const;
  it.each(hostile)('that accepts and %s gets fewer and fewer requests', async (what) => {
    const times: number[] = [];
    const startedAt = performance.now();
    const server = await serve((_request, response, count) => {
      times.push(performance.now());
      if (what === 'never responds') return;
      if (what === 'resets') return void response.socket?.resetAndDestroy();
      if (what === 'responds with 503') return void response.writeHead(503).end();
      open(response);
      if (what === 'sends a retry of zero') send(response, encodeRetry(0), event(count), encodeRetry(0));
      if (what === 'sends a retry beyond measure') send(response, { plain: Buffer.from('retry: 99999999999\n\n') });
      if (what === 'sends one event') send(response, event(count));
      // It is lost with the third, so every other connection is an ordinary one.
      if (what === 'sends an endless line after an event' && count % 2 === 0) {
        send(response, event(count), { plain: Buffer.alloc(1_000_000, 'x') });
      } else response.end();
    });
    // A twentieth of the default or less; with the shortest delays that jitter allows: 10, 20, 40, 80, 100, 100 and 100 ms.
    const backoff = { baseMs: 20, maxMs: 200 };
    const followed = start(server, { backoff, random: () => 0, ...(what === 'never responds' && { watchdogMs: 5 }) });
    await waitFor(() => times.length === 8, 'the eighth connection');
    followed.stop.abort();
    // The wait after a peer that never responds starts at the client's own request, which a busy machine may deliver late.
    const from = what === 'never responds' ? startedAt : (times[0] ?? 0);
    const elapsed = times.map((time) => time - from);
    const leastMs = [0, 10, 30, 70, 150, 250, 350, 450];
    leastMs.forEach((least, index) => {
      expect(elapsed[index]).toBeGreaterThanOrEqual(least * 0.95);
    });
    await noSocketLeft(server);
  });

  it('gets a second and a third request after at least 100 ms and 200 ms by default', async () => {
    const times: number[] = [];
    const server = await serve((_request, response) => {
      times.push(performance.now());
      response.socket?.resetAndDestroy();
    });
    const followed = follow({
      url: server.url,
      events: [],
      onEvent() {},
      isTerminal: () => false,
      signal: new AbortController().signal,
      random: () => 0,
      maxAttempts: 3,
    });
    await expect(followed).rejects.toThrow('gave up after 3 attempts');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(95);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(190);
  });

  it('cannot make it wait forever with a huge retry, nor with a huge Retry-After', async () => {
    const server = await serve((_request, response, count) => {
      if (count === 3) send(response, event(3, 'complete'));
      else
        send(response, { plain: Buffer.from(`retry: ${'9'.repeat(count * 12)}\n\ndata: x\n\nretry: 99999999999\n\n`) });
      response.end();
    });
    expect(await start(server).result).toEqual({ reason: 'terminal' });
  });

  it.each(['data', 'id', 'event', 'nonsense'])(
    'that sends an endless %s line is cut off, and followed again when it behaves',
    async (field) => {
      let sentBytes = 0;
      const server = await serve((_request, response, count) => {
        if (count === 3) return send(response, event(2), event(3, 'complete'));
        send(response, event(1));
        response.write(`${field}: `);
        const more = () => {
          while (!response.destroyed && response.write('x'.repeat(4_000))) sentBytes += 4_000;
        };
        response.on('drain', more);
        more();
      });
      const followed = start(server);
      expect(await followed.result).toEqual({ reason: 'terminal' });
      expect(followed.ids()).toEqual(['e.1', 'e.2', 'e.3']);
      expect(followed.changes[1]).toMatchObject({ state: 'lost', reason: 'an event has more than 65536 characters' });
      expect(server.requests).toHaveLength(3);
      await noSocketLeft(server);
      // What the kernel takes at most for two connections: the follower has read no further than its limit.
      expect(sentBytes).toBeLessThan(32 * 1024 * 1024);
    },
  );

  it('that sends larger events than allowed three times is given up, where more are allowed it is not', async () => {
    const large = encodeFrame({
      event: 'complete',
      id: 'e.1',
      data: Array.from({ length: 200 }, () => 'x'.repeat(999)).join('\n'),
    });
    const server = await serve((_request, response) => send(response, large));
    const error = await failureOf(start(server).result);
    expect(error).toMatchObject({ status: null, message: 'an event has more than 65536 characters' });
    expect(server.requests).toHaveLength(3);
    await noSocketLeft(server);
    const followed = start(server, { maxEventChars: 1_000_000 });
    expect(await followed.result).toEqual({ reason: 'terminal' });
    expect(followed.events[0]?.data).toHaveLength(199_999);
  });

  it('cannot break the next request with an id that no header can hold', async () => {
    const server = await serve((_request, response, count) => {
      if (count === 3) send(response, event(1, 'complete'));
      else
        send(response, {
          plain: Buffer.from(`id: ${count === 1 ? 'a\u0001b\u007f' : 'x'.repeat(5_000)}\ndata: x\n\n`),
        });
      response.end();
    });
    const followed = start(server);
    await followed.result;
    expect(lastEventIds(server)).toEqual([undefined, undefined, undefined]);
  });
});

describe('leaving', () => {
  it.each(['while connected', 'while waiting for a response', 'while waiting to connect again'])(
    '%s closes the socket at once and throws the reason',
    async (when) => {
      const server = await serve((_request, response) => {
        if (when === 'while connected') send(response, event(1));
        if (when === 'while waiting to connect again') response.writeHead(503).end();
      });
      const followed = start(server, { backoff: { baseMs: 60_000, maxMs: 60_000 } });
      await waitFor(() => {
        if (when === 'while connected') return followed.events.length === 1;
        if (when === 'while waiting for a response') return server.requests.length === 1;
        return followed.changes.length === 1;
      }, when);
      const reason = new Error('enough');
      followed.stop.abort(reason);
      await expect(followed.result).rejects.toBe(reason);
      await noSocketLeft(server);
      expect(server.requests).toHaveLength(1);
    },
  );

  it('before it began asks nobody', async () => {
    const server = await serve(() => {});
    await expect(start(server, { signal: AbortSignal.abort() }).result).rejects.toMatchObject({ name: 'AbortError' });
    expect(server.requests).toHaveLength(0);
  });

  it('by an exception from onEvent throws that and shows nothing more', async () => {
    const server = await serve((_request, response) => send(response, event(1), event(2), event(3, 'complete')));
    const seen: string[] = [];
    const bug = new Error('a bug');
    const followed = start(server, {
      onEvent(each) {
        seen.push(each.id);
        if (seen.length === 2) throw bug;
      },
    });
    await expect(followed.result).rejects.toBe(bug);
    expect(seen).toEqual(['e.1', 'e.2']);
    await noSocketLeft(server);
  });

  it('by an exception from onConnection throws that', async () => {
    const server = await serve((_request, response) => void response.writeHead(503).end());
    const bug = new Error('a bug');
    const followed = start(server, {
      onConnection() {
        throw bug;
      },
    });
    await expect(followed.result).rejects.toBe(bug);
  });

  it('leaves no listener on the signal and no socket in a given dispatcher', async () => {
    const server = await serve((_request, response) => send(response, event(1, 'complete')));
    const dispatcher = new Agent();
    cleanups.push(() => dispatcher.destroy());
    const stop = new AbortController();
    let listeners = 0;
    const { signal } = stop;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    for (let round = 0; round < 20; round += 1) await start(server, { dispatcher, signal }).result;
    expect(listeners).toBe(0);
    await noSocketLeft(server);
  });
});

describe('the process', () => {
  it('stays alive while it follows, also between connections, and can end after it', async () => {
    const server = await serve((_request, response, count) => {
      if (count === 1) send(response, event(1));
      if (count === 1) response.end();
      if (count === 2) response.writeHead(503).end();
      if (count === 3) send(response, event(2, 'complete'));
    });
    const program = `
      import { follow } from ${JSON.stringify(import.meta.resolve('../../src/index.ts'))};
      const seen = [];
      const options = { url: ${JSON.stringify(server.url)}, events: ['progress', 'complete'], signal: new AbortController().signal };
      const onEvent = (event) => seen.push(event.id);
      const result = await follow({ ...options, onEvent, isTerminal: (event) => event.event === 'complete' });
      console.log(result.reason, seen.join());
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 15_000,
    });
    expect(stdout).toBe('terminal e.1,e.2\n');
  });
});
