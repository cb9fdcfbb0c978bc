import { EventEmitter } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Writable } from 'node:stream';
import { hiveRoutes, newDownloadId, newJobId } from '@rbee/contract';
import { createStreamHub, type Sink, type StreamHub } from '@rbee/event-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type AccessPolicy, addRoute, addStream, createLogger, createServer, type Server } from '../../src/index.ts';

const TOKEN = 'a-token-of-sixteen-characters';
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A server with three routes of the contract, on a real port. */
async function serve(
  access: AccessPolicy = { apiToken: null },
  extend?: (app: Server, hub: StreamHub) => void,
  hub = createStreamHub(),
) {
  const log: string[] = [];
  const sink = new Writable({ write: (chunk, _, done) => done(void log.push(String(chunk))) });
  const logger = createLogger({ name: 'test', level: 'info' }, sink);
  const app = await createServer({ logger, hub, access, title: 'test', version: '1.2.3', routes: hiveRoutes });
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, hiveRoutes.createJob, ({ body }) => ({ job_id: newJobId(), sse_url: `/v1/jobs/${body.operation}` }));
  addRoute(app, hiveRoutes.getDownload, () => {
    throw new TypeError('a secret of the inside');
  });
  extend?.(app, hub);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  open.push(() => app.close());
  return { url, hub, log, app };
}

async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as { error: Record<string, string> },
  };
}

describe('a server that closes', () => {
  it('answers what is under way, and keeps no connection open for another request', async () => {
    const asked = Promise.withResolvers<void>();
    const closing = Promise.withResolvers<void>();
    const { url, app } = await serve(undefined, (server) => {
      server.addHook('preClose', async () => closing.resolve());
      addRoute(server, hiveRoutes.clearDownloads, async () => {
        asked.resolve();
        await closing.promise;
        return { removed: 1 };
      });
    });
    const response = fetch(`${url}/v2/downloads`, { method: 'DELETE' });
    await asked.promise;
    const closed = app.close();
    expect((await response).headers.get('connection')).toBe('close');
    await closed;
  });
});

describe('error replies', () => {
  it.each([
    ['an unknown route', 'GET', '/nowhere', 404, 'ROUTE_NOT_FOUND'],
    ['a method that the route does not take', 'DELETE', '/health', 405, 'METHOD_NOT_ALLOWED'],
    [
      'a method that a route with an id does not take',
      'POST',
      `/v2/downloads/${newDownloadId()}`,
      405,
      'METHOD_NOT_ALLOWED',
    ],
    ['an invalid id', 'GET', '/v2/downloads/not-an-id', 404, 'DOWNLOAD_NOT_FOUND'],
    ['a bug', 'GET', `/v2/downloads/${newDownloadId()}`, 500, 'INTERNAL'],
  ])('to %s carry the envelope', async (_, method, path, status, code) => {
    const { url, log } = await serve();
    const answer = await fetch(url + path, { method, headers: { 'x-request-id': 'my-request.1' } });
    expect(answer.status).toBe(status);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ error: { code, request_id: 'my-request.1' } });
    expect(answer.headers.get('x-request-id')).toBe('my-request.1');
    expect(text).not.toMatch(/secret|stack|\.ts:/);
    if (status === 500) expect(log.join()).toMatch(/a secret of the inside/);
    if (status === 405) expect(answer.headers.get('allow')).toBe('GET');
  });

  it.each([
    ['malformed JSON', '{"operation":', {}, 400, 'REQUEST_INVALID'],
    ['a field that nobody knows', '{"operation":"model_list","colour":"red"}', {}, 400, 'REQUEST_INVALID'],
    ['a missing field', '{"operation":"model_download"}', {}, 400, 'REQUEST_INVALID'],
    ['an unknown operation', '{"operation":"model_fly"}', {}, 400, 'OPERATION_UNKNOWN'],
    ['another media type', 'operation=model_list', { 'content-type': 'text/csv' }, 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['plain text', '{"operation":"model_list"}', { 'content-type': 'text/plain' }, 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['a body over the limit', `{"operation":"${'x'.repeat(1024 * 1024)}"}`, {}, 413, 'PAYLOAD_TOO_LARGE'],
  ])('to %s say what is wrong', async (_, body, headers, status, code) => {
    const { url } = await serve();
    const answer = await post(url, body, headers);
    expect(answer.status).toBe(status);
    expect(answer.body.error['code']).toBe(code);
  });

  it('name the fields, and the operations there are', async () => {
    const { url } = await serve();
    expect((await post(url, '{"operation":"model_download"}')).body.error['message']).toMatch(/model/);
    expect((await post(url, '{"operation":"model_fly"}')).body.error['hint']).toMatch(/model_download, model_plan/);
  });

  it('make a request id of their own where the sent one could harm a log', async () => {
    const { url } = await serve();
    const answer = await fetch(`${url}/nowhere`, { headers: { 'x-request-id': 'no spaces' } });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('access', () => {
  const policy = { apiToken: TOKEN };

  it('wants the token everywhere but at /health', async () => {
    const { url } = await serve(policy);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const missing = await post(url, '{"operation":"model_list"}');
    expect(missing).toMatchObject({ status: 401, body: { error: { code: 'API_KEY_MISSING' } } });
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    const wrong = await post(url, '{"operation":"model_list"}', { authorization: `Bearer ${TOKEN}x` });
    expect(wrong).toMatchObject({ status: 401, body: { error: { code: 'API_KEY_INVALID' } } });
    const right = await post(url, '{"operation":"model_list"}', { authorization: `Bearer ${TOKEN}` });
    expect(right.status).toBe(202);
    expect((await fetch(`${url}/nowhere`)).status).toBe(401);
  });

  it('refuses a Host that is a name it does not have: DNS rebinding', async () => {
    const { url } = await serve();
    expect(await statusWithHost(url, 'evil.example')).toBe(403);
    expect(await statusWithHost(url, 'localhost:1')).toBe(200);
    const withToken = await serve(policy);
    expect(await statusWithHost(withToken.url, 'hive.lan:7835')).toBe(200);
  });

  it('refuses requests that another web page makes', async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/health`, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    expect((await fetch(`${url}/health`, { headers: { origin: 'null' } })).status).toBe(403);
    expect((await fetch(`${url}/health`, { headers: { origin: url } })).status).toBe(200);
  });
});

describe('streams', () => {
  it('send the headers of the contract, then the events, and end with the server', async () => {
    const { url, hub, app } = await serve(undefined, (server, streamHub) => {
      const channel = streamHub.channel({ mode: 'state' });
      channel.publish({ event: 'heartbeat', data: '{"n":1}' }, 'state');
      addStream(server, streamHub, hiveRoutes.heartbeats, () => channel);
    });
    const answer = await fetch(`${url}/v1/heartbeats/stream`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    expect(answer.headers.get('x-request-id')).not.toBeNull();
    expect(hub.readers).toBe(1);
    await app.close();
    const text = await answer.text();
    expect(text).toMatch(/^retry: \d+\n\n/);
    expect(text).toMatch(/event: heartbeat\n/);
    expect(text).toMatch(/data: \{"n":1\}\n/);
  });

  it('answer 204 to a reader that has the terminal event, and 404 to an unknown id', async () => {
    const ids = { known: newJobId() };
    let lastId = '';
    const { url } = await serve(undefined, (server, streamHub) => {
      const channel = streamHub.channel({ mode: 'log' });
      lastId = channel.publish({ data: '[DONE]' }, 'terminal');
      addStream(server, streamHub, hiveRoutes.streamJob, () => channel);
    });
    const stream = `${url}/v1/jobs/${ids.known}/stream`;
    expect((await fetch(stream, { headers: { 'last-event-id': lastId } })).status).toBe(204);
    expect((await fetch(`${stream}?last_event_id=${encodeURIComponent(lastId)}`)).status).toBe(204);
    expect(await (await fetch(stream)).text()).toMatch(/data: \[DONE\]\n\n$/);
    expect((await fetch(`${url}/v1/jobs/job-nobody/stream`)).status).toBe(404);
    const refused = await fetch(stream, { headers: { accept: 'application/json' } });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: 'REQUEST_INVALID', hint: expect.any(String) } });
  });
});

describe('limits on streams', () => {
  const path = '/v1/heartbeats/stream';
  const heartbeats = (server: Server, hub: StreamHub) =>
    addStream(server, hub, hiveRoutes.heartbeats, () => hub.channel({ mode: 'state' }));
  /** A reader from elsewhere. */
  function sink(): Sink {
    const left = new EventEmitter();
    const leave = () => void left.emit('close');
    return {
      write: () => true,
      end: leave,
      destroy: leave,
      onDrain() {},
      onClose: (heard) => left.once('close', heard),
    };
  }

  it('answer 429 with Retry-After when no more streams are taken, and take one again when one left', async () => {
    const { url, hub } = await serve(undefined, heartbeats, createStreamHub({ maxReaders: 1 }));
    const leave = new AbortController();
    const first = await fetch(url + path, { signal: leave.signal });
    expect(first.status).toBe(200);
    const refused = await fetch(url + path);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ error: { code: 'TOO_MANY_STREAMS', hint: expect.any(String) } });
    leave.abort();
    await expect.poll(() => hub.readers).toBe(0);
    expect((await fetch(url + path)).status).toBe(200);
  });

  it('are kept for each address beyond loopback, and the others are still served', async () => {
    const hub = createStreamHub({ maxReadersPerAddress: 1 });
    const { url, app } = await serve(undefined, heartbeats, hub);
    expect(hub.channel({ mode: 'state' }).attach(sink(), null, '203.0.113.5')).toBe('attached');
    const refused = await app.inject({ url: path, remoteAddress: '203.0.113.5', headers: { host: '127.0.0.1' } });
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('5');
    expect(refused.json()).toMatchObject({
      error: { code: 'TOO_MANY_STREAMS', message: expect.stringContaining('your address') },
    });
    for (let count = 0; count < 3; count += 1) expect((await fetch(url + path)).status).toBe(200);
  });

  it('answer 503 while the daemon stops', async () => {
    const { hub, app } = await serve(undefined, heartbeats);
    await hub.close();
    const refused = await app.inject({ url: path, headers: { host: '127.0.0.1' } });
    expect(refused.statusCode).toBe(503);
    expect(refused.json()).toMatchObject({ error: { code: 'HIVE_UNAVAILABLE' } });
  });
});

describe('the document of the routes', () => {
  it('is served as JSON and as a page', async () => {
    const { url } = await serve();
    const answer = await fetch(`${url}/openapi.json`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await answer.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'test', version: '1.2.3' } });
    const page = await fetch(`${url}/docs`);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(await page.text()).toContain('POST /v1/jobs');
  });

  it('needs the token as everything else does', async () => {
    const { url } = await serve({ apiToken: TOKEN });
    for (const path of ['/openapi.json', '/docs']) expect((await fetch(`${url}${path}`)).status).toBe(401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await fetch(`${url}/docs`, { headers })).status).toBe(200);
  });
});

function statusWithHost(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${url}/health`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on('error', reject).end();
  });
}
