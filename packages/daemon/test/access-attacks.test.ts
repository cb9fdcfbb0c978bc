import { once } from 'node:events';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { hiveRoutes, newJobId, queenRoutes } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { addRoute, addStream, createLogger, createServer } from '../src/index.ts';
import { type AccessPolicy, checkOrigin } from '../src/server/access.ts';

/*
 * Goal: what an attacker can send is refused, and what a user sends is not. Method: bytes on a socket, since clients mend what they are
 * given. Failure shows in the status.
 */
const TOKEN = 'a-token-of-sixteen-characters';
const HIVES_TOKEN = 'another-token-for-the-hives';
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const hive = { hive_id: 'h', hive_url: 'http://127.0.0.1:1' };

async function serve(access: Omit<AccessPolicy, 'isTls'>) {
  const log: string[] = [];
  const sink = new Writable({ write: (chunk, _, done) => done(void log.push(String(chunk))) });
  const hub = createStreamHub();
  const logger = createLogger({ name: 'test', level: 'trace' }, sink);
  const app = await createServer({ logger, hub, access, title: 'test', version: '1.2.3' });
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, hiveRoutes.createJob, () => ({ job_id: newJobId(), sse_url: '/' }));
  addRoute(app, hiveRoutes.clearDownloads, () => ({ removed: 0 }));
  addRoute(app, queenRoutes.hiveReady, () => ({
    ...{ ...hive, online: true, last_seen_at: null, version: null, active_downloads: 0, downloads: null, speed_bps: 0 },
    ...{ free_bytes: null, max_bandwidth: null, max_concurrent_downloads: null, problem: null },
  }));
  const channel = hub.channel({ mode: 'state' });
  channel.publish({ data: '{}' }, 'terminal');
  addStream(app, hub, hiveRoutes.heartbeats, () => channel);
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  closing.push(() => app.close());

  /** The status of what comes back for these lines. */
  const send = async (head: string, lines: readonly string[], body = ''): Promise<number> => {
    const socket = connect(Number(url.port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    const length = body === '' ? [] : [`Content-Length: ${body.length}`, 'Content-Type: application/json'];
    socket.write([head, 'Connection: close', ...length, ...lines, '', body].join('\r\n'));
    await once(socket, 'close');
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  };
  const own = `Host: ${url.host}`;
  return {
    host: url.host,
    own,
    send,
    log,
    get: (path: string, ...lines: string[]) => send(`GET ${path} HTTP/1.1`, lines),
  };
}

const list = '/v1/heartbeats/stream';

describe('a token', () => {
  it.each([
    ['none', []],
    ['an empty one', ['Authorization: Bearer ']],
    ['an empty header', ['Authorization:']],
    ['the scheme alone', ['Authorization: Bearer']],
    ['the token alone', [`Authorization: ${TOKEN}`]],
    ['one that is too short', [`Authorization: Bearer ${TOKEN.slice(0, -1)}`]],
    ['one that is too long', [`Authorization: Bearer ${TOKEN}x`]],
    ['a very long one', [`Authorization: Bearer ${'x'.repeat(8_000)}`]],
    ['one of the same length', [`Authorization: Bearer ${'x'.repeat(TOKEN.length)}`]],
    ['in another case', [`Authorization: Bearer ${TOKEN.toUpperCase()}`]],
    ['one of two', [`Authorization: Bearer x ${TOKEN}`]],
    ['the first of two', [`Authorization: Bearer ${TOKEN} x`]],
    ['a second header', ['Authorization: Bearer x', `Authorization: Bearer ${TOKEN}`]],
    ['as a password', [`Authorization: Basic ${Buffer.from(`:${TOKEN}`).toString('base64')}`]],
    ['as a proxy wants it', [`Proxy-Authorization: Bearer ${TOKEN}`]],
    [
      'in headers of other programs',
      [`X-Api-Key: ${TOKEN}`, `Cookie: token=${TOKEN}`, `X-Authorization: Bearer ${TOKEN}`],
    ],
    ['its digest', [`Authorization: Bearer ${Buffer.from(TOKEN).toString('hex')}`]],
    ['that of the hives', [`Authorization: Bearer ${HIVES_TOKEN}`]],
  ])('is wanted: %s is refused, at streams and routes that are not there too', async (_, lines) => {
    const { get, own, send, log } = await serve({ apiToken: TOKEN, hivesToken: HIVES_TOKEN });
    for (const path of [list, '/v1/jobs', '/nowhere', '/openapi.json']) {
      expect(await get(path, own, ...lines), path).toBe(401);
    }
    expect(await send('DELETE /v2/downloads HTTP/1.1', [own, ...lines])).toBe(401);
    expect(await send('POST /v1/jobs HTTP/1.1', [own, ...lines], '{"operation":"model_list"}')).toBe(401);
    expect(log.join('')).not.toContain(TOKEN);
  });

  it.each(['token', 'access_token', 'api_key', 'apikey', 'key', 'authorization', 'auth', 'bearer'])(
    'is not taken from the query: %s',
    async (name) => {
      const { get, own } = await serve({ apiToken: TOKEN });
      expect(await get(`${list}?${name}=${TOKEN}`, own)).toBe(401);
      expect(await get(`${list}?${name}=Bearer%20${TOKEN}`, own)).toBe(401);
    },
  );

  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer   ${TOKEN}`])(
    'that is right opens all: %s',
    async (authorization) => {
      const { get, own, send } = await serve({ apiToken: TOKEN });
      expect(await get(list, own, `Authorization: ${authorization}`)).toBe(200);
      const created = send(
        'POST /v1/jobs HTTP/1.1',
        [own, `Authorization: ${authorization}`],
        '{"operation":"model_list"}',
      );
      expect(await created).toBe(202);
    },
  );

  it('of hives opens the door for hives alone, which that of clients opens too', async () => {
    const { own, send, get } = await serve({ apiToken: TOKEN, hivesToken: HIVES_TOKEN });
    const ready = (token: string) =>
      send('POST /v1/hive/ready HTTP/1.1', [own, `Authorization: Bearer ${token}`], JSON.stringify(hive));
    expect(await ready(HIVES_TOKEN)).toBe(200);
    expect(await ready(TOKEN)).toBe(200);
    expect(await ready(`${HIVES_TOKEN}x`)).toBe(401);
    expect(await send('POST /v1/hive/ready HTTP/1.1', [own], JSON.stringify(hive))).toBe(401);
    expect(await get(list, own, `Authorization: Bearer ${HIVES_TOKEN}`)).toBe(401);
  });

  it('of hives is wanted of them also where clients need none', async () => {
    const { own, send, get } = await serve({ apiToken: null, hivesToken: HIVES_TOKEN });
    expect(await send('POST /v1/hive/ready HTTP/1.1', [own], JSON.stringify(hive))).toBe(401);
    expect(await get(list, own)).toBe(200);
  });
});

describe('/health without a token', () => {
  it('is free, and its path leads nowhere else', async () => {
    const { get, own, send } = await serve({ apiToken: TOKEN });
    expect(await get('/health', own)).toBe(200);
    expect(await get('/health?x=/v1/jobs', own)).toBe(200);
    expect(await send('HEAD /health HTTP/1.1', [own])).toBe(200);
    for (const path of [
      '/health/../v1/heartbeats/stream',
      '/health/..%2fv1/heartbeats/stream',
      '/health%2f..%2fv1%2fheartbeats%2fstream',
      '//v1/heartbeats/stream',
      '/./v1/heartbeats/stream',
      '/health/',
      '/health;/v1/heartbeats/stream',
      '/HEALTH',
      'http://127.0.0.1/v1/heartbeats/stream',
      'http://127.0.0.1/health/../v1/heartbeats/stream',
    ]) {
      expect(await get(path, own), path).toBe(401);
    }
    expect(await send('POST /health HTTP/1.1', [own])).toBe(401);
  });
});

describe('DNS rebinding', () => {
  it.each([
    'evil.example',
    'evil.example:7835',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'localhost.',
    'a.localhost',
    '127.0.0.1@evil.example',
    'evil.example@127.0.0.1',
    'user:127.0.0.1@evil.example',
    'evil.example#127.0.0.1',
    'evil.example/127.0.0.1',
    '127.0.0.1/evil.example',
    '127.0.0.1?evil.example',
    '127.0.0.1\\evil.example',
    '127.0.0.1, evil.example',
    '127.0.0.1:evil',
    '127.0.0.1:123456',
    '[::1].evil.example',
    '[::1]@evil.example',
    '[evil.example]',
    '[127.0.0.1]',
    '[::1',
    '::1',
    '',
  ])('is refused by its Host: %j', async (host) => {
    const { get } = await serve({ apiToken: null });
    const forwarded = ['X-Forwarded-Host: 127.0.0.1', 'X-Host: 127.0.0.1', 'Forwarded: host=127.0.0.1'];
    for (const path of ['/health', list, '/nowhere'])
      expect(await get(path, `Host: ${host}`, ...forwarded), path).toBe(403);
  });

  it('is refused where there are two Hosts, none, or one in the request line', async () => {
    const { get, own, send } = await serve({ apiToken: null });
    expect(await get('/health', 'Host: evil.example', own)).toBe(400);
    expect(await get('/health')).toBe(400);
    expect(await send('GET /health HTTP/1.0', [])).toBe(400);
    expect(await get('http://127.0.0.1/health', 'Host: evil.example')).toBe(403);
  });

  it.each(['127.0.0.1', '127.0.0.1:80', 'localhost', 'LOCALHOST:7835', '[::1]', '[::1]:7835', '192.0.2.7:7835'])(
    'is no concern of who uses %s',
    async (host) => {
      const { get } = await serve({ apiToken: null });
      expect(await get('/health', `Host: ${host}`)).toBe(200);
    },
  );

  it('of a daemon with a token, which may have any name, needs the token', async () => {
    const { get } = await serve({ apiToken: TOKEN });
    expect(await get(list, 'Host: evil.example', 'Origin: http://evil.example')).toBe(401);
    expect(await get(list, 'Host: hive.lan:7835', `Authorization: Bearer ${TOKEN}`)).toBe(200);
    expect(await get(list, 'Host: hive.lan/x', `Authorization: Bearer ${TOKEN}`)).toBe(403);
  });
});

describe('a page of another site', () => {
  it.each([
    ['its origin', ['Origin: https://evil.example']],
    ['no origin to tell', ['Origin: null']],
    ['an empty origin', ['Origin:']],
    ['another port of this machine', ['Origin: http://127.0.0.1:1']],
    ['another name of this machine', ['Origin: http://localhost:{port}']],
    ['this daemon as a user name', ['Origin: http://{host}@evil.example']],
    ['this daemon after a user name', ['Origin: http://evil.example@{host}']],
    ['this daemon and a path', ['Origin: http://{host}/evil']],
    ['a scheme other than http and https', ['Origin: chrome-extension://{host}']],
    ['a file', ['Origin: file://']],
    ['two origins', ['Origin: http://{host}', 'Origin: https://evil.example']],
    ['an image or a script', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image']],
    ['a stream', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty']],
    ['a page of another port', ['Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: script']],
    ['a frame', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe']],
  ])('is refused by %s, with the token and without', async (_, lines) => {
    for (const apiToken of [null, TOKEN]) {
      const { get, own, host, send } = await serve({ apiToken });
      const sent = lines.map((line) => line.replace('{host}', host).replace('{port}', host.replace(/.*:/, '')));
      const all = [own, ...sent, `Authorization: Bearer ${TOKEN}`];
      for (const path of ['/health', list, '/nowhere']) expect(await get(path, ...all), path).toBe(403);
      expect(await send('POST /v1/jobs HTTP/1.1', all, '{"operation":"model_list"}')).toBe(403);
      expect(await send('OPTIONS /v1/jobs HTTP/1.1', [...all, 'Access-Control-Request-Method: POST'])).toBe(403);
    }
  });

  it.each([
    ['a page of its own', ['Origin: http://{host}', 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors']],
    ['a page of its own that reads', ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty']],
    ['an address that was typed', ['Sec-Fetch-Site: none', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']],
    ['a link', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']],
    ['a program', []],
  ])('is not %s', async (_, lines) => {
    const { get, own, host } = await serve({ apiToken: null });
    expect(await get(list, own, ...lines.map((line) => line.replace('{host}', host)))).toBe(200);
  });

  it.each([
    ['http://hive.lan', 'hive.lan', false, true],
    ['http://hive.lan', 'hive.lan:80', false, true],
    ['http://hive.lan:7835', 'hive.lan:7835', false, true],
    ['https://hive.lan', 'hive.lan', false, true],
    ['https://hive.lan', 'hive.lan:443', true, true],
    ['http://hive.lan', 'hive.lan', true, false],
    ['http://hive.lan:7835', 'hive.lan:7835', true, false],
    ['https://hive.lan', 'hive.lan:7835', true, false],
  ])('from %s at %s, with TLS %s: %s', (origin, host, isTls, isOwn) => {
    const check = () => checkOrigin({ origin, host }, { apiToken: TOKEN, isTls });
    if (isOwn) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: 'ORIGIN_REFUSED' }));
  });
});
