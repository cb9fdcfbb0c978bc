import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HfRef, type OllamaRef, parseModelRef, type UrlRef } from '@rbee/contract';
import type { Dispatcher } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher } from '../../../src/sources/http/dispatcher.ts';
import { type HttpClient, readBody, requestFollowing, requestOnce } from '../../../src/sources/http/request.ts';
import { fixedToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { createHuggingFace } from '../../../src/sources/hugging-face/hugging-face.ts';
import { createOllama } from '../../../src/sources/ollama/ollama.ts';
import { createWebSource } from '../../../src/sources/web/web.ts';
import { sha256Of } from '../conformance.ts';

const CONTENT = Buffer.alloc(5_000, 'content');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const within = () => AbortSignal.timeout(15_000);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server with one answer for everything, and a source that asks it as the hive does. */
async function setUp(answer: Answer, headersTimeoutMs = 5_000) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.range ?? 'whole'}`);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dispatcher: Dispatcher = createSourceDispatcher({ exemptOrigins: new Set(), allowPrivate: true });
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
    () => dispatcher.destroy(),
  );
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http = { dispatcher, headersTimeoutMs, userAgent: 'test/1' };
  const source = createWebSource(http);
  const resolve = (path = '/model.gguf') => source.resolve(parseModelRef(origin + path) as UrlRef, within());
  return { http, origin, seen, resolve };
}

/** Serves the file by GET, with a range where one is asked for. */
function serveFile({ headers }: IncomingMessage, response: ServerResponse): void {
  const common = { etag: '"e"', 'accept-ranges': 'bytes' };
  if (headers.range !== 'bytes=0-0')
    return void response.writeHead(200, { ...common, 'content-length': 5_000 }).end(CONTENT);
  response.writeHead(206, { ...common, 'content-range': 'bytes 0-0/5000', 'content-length': 1 }).end('c');
}

const isHead = ({ method }: IncomingMessage): boolean => method === 'HEAD';

describe('a HEAD is not believed', () => {
  it.each<[string, Answer]>([
    ['says 0', (_, response) => response.writeHead(200, { 'content-length': 0, etag: '"e"' }).end()],
    ['has no length', (_, response) => response.writeHead(200, { etag: '"e"' }).end()],
    ['is 204', (_, response) => response.writeHead(204).end()],
    ['is 304', (_, response) => response.writeHead(304).end()],
    ['is 401', (_, response) => response.writeHead(401).end()],
    ['is 418', (_, response) => response.writeHead(418).end()],
    ['is 503 without a wait', (_, response) => response.writeHead(503).end()],
    [
      'is a page',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html', 'content-length': 7, etag: '"p"' }).end(),
    ],
    ['cuts the connection', (_, response) => void response.socket?.resetAndDestroy()],
    ['hangs up', (_, response) => void response.socket?.end()],
    ['redirects in circles', (_, response) => response.writeHead(302, { location: '/model.gguf' }).end()],
  ])('[C4] that %s: the GET decides', async (_, answerHead) => {
    const { resolve, seen } = await setUp((request, response) =>
      isHead(request) ? answerHead(request, response) : serveFile(request, response),
    );
    expect((await resolve()).files[0].size).toBe(5_000);
    expect(seen.at(-1)).toBe('GET bytes=0-0');
  });

  it('[C4] that is not answered: the GET decides', async () => {
    const { resolve, seen } = await setUp((request, response) => {
      if (!isHead(request)) serveFile(request, response);
    }, 300);
    expect((await resolve()).files[0].size).toBe(5_000);
    expect(seen).toEqual(['HEAD whole', 'GET bytes=0-0']);
  });

  it.each([400, 403, 405, 416, 500, 501])(
    '[C4] and a range that is refused with %i is followed by a plain GET',
    async (status) => {
      const { resolve, seen } = await setUp((request, response) => {
        if (isHead(request) || request.headers.range !== undefined) return void response.writeHead(status).end();
        serveFile(request, response);
      });
      expect((await resolve()).files[0].size).toBe(5_000);
      expect(seen).toEqual(['HEAD whole', 'GET bytes=0-0', 'GET whole']);
    },
  );

  it('[C4] and an empty file is one, whatever HEAD said', async () => {
    const { resolve } = await setUp((request, response) => {
      if (isHead(request)) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-length': 0, etag: '"e"' }).end();
    });
    expect((await resolve()).files[0].size).toBe(0);
  });

  it.each([
    [429, {}],
    [503, { 'retry-after': '7' }],
  ])('[C4] but with %i %o the server asks for patience, and gets no second request', async (status, headers) => {
    const { resolve, seen } = await setUp((_, response) => void response.writeHead(status, headers).end());
    await expect(resolve()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(seen).toHaveLength(1);
  });
});

describe('one deadline', () => {
  const dripHeader: Answer = (_, { socket }) => {
    socket?.write('HTTP/1.1 200 OK\r\nx: ');
    every(() => socket?.write('x'));
  };

  it.each<[string, Answer]>([
    ['103 again and again', (_, response) => void every(() => response.writeEarlyHints({ link: '</a>; rel=preload' }))],
    ['a header by the drip', dripHeader],
    ['nothing', () => {}],
  ])('[A9] ends a request that gets %s', async (_, answer) => {
    const { http, origin } = await setUp(answer, 400);
    const asked = requestFollowing(http, { method: 'GET', url: new URL(origin), signal: within() });
    await expect(asked).rejects.toMatchObject({
      code: 'DOWNLOAD_TIMEOUT',
      message: expect.stringMatching(/did not send its response headers within 0\.4 s/),
    });
  });

  it('[A9] ends a request for a connection that never opens', async () => {
    const dispatcher = createSourceDispatcher({
      exemptOrigins: new Set(),
      allowPrivate: true,
      names: { lookUp: () => {}, isPublic: () => true },
    });
    closing.push(() => dispatcher.destroy());
    const http = { dispatcher, headersTimeoutMs: 300, userAgent: 'test/1' };
    const asked = requestFollowing(http, { method: 'GET', url: new URL('http://a.example/'), signal: within() });
    await expect(asked).rejects.toMatchObject({ code: 'DOWNLOAD_TIMEOUT' });
  });

  it.each<[string, (http: HttpClient, origin: string) => Promise<unknown>]>([
    ['a file list', (http, origin) => hubOf(http, origin).resolve(parseModelRef('hf:org/model') as HfRef, within())],
    [
      'a manifest',
      (http, origin) =>
        createOllama({ ...http, registry: origin }).resolve(parseModelRef('ollama:model') as OllamaRef, within()),
    ],
    [
      'any body',
      async (http, origin) =>
        readBody(
          await requestOnce(http, { method: 'GET', url: new URL(origin), signal: within() }),
          1_000_000,
          within(),
        ),
    ],
  ])('[A9] of four times the headers timeout ends %s by the drip, though bytes arrive', async (_, ask) => {
    let sent = 0;
    const { http, origin } = await setUp((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('[');
      every(() => {
        sent += 1;
        response.write(' ');
      });
    }, 300);
    const before = performance.now();
    await expect(ask(http, origin)).rejects.toMatchObject({
      code: 'DOWNLOAD_TIMEOUT',
      message: expect.stringMatching(/did not send its whole response within 1\.2 s/),
    });
    expect(performance.now() - before).toBeGreaterThanOrEqual(1_150);
    expect(sent).toBeGreaterThan(3);
  });

  it('[A9] of the headers timeout ends a body that stops', async () => {
    const { http, origin } = await setUp((_, response) => void response.writeHead(200).write('['), 300);
    const response = await requestOnce(http, { method: 'GET', url: new URL(origin), signal: within() });
    await expect(readBody(response, 1_000, within())).rejects.toMatchObject({ code: 'DOWNLOAD_TIMEOUT' });
  });

  const hubOf = (http: HttpClient, endpoint: string) =>
    createHuggingFace({
      ...http,
      endpoint,
      token: fixedToken(null),
      isOffline: false,
      findOffline: async () => null,
    });

  function every(act: () => void): void {
    const timer = setInterval(act, 50);
    closing.push(() => clearInterval(timer));
  }
});

describe('what curl can do', () => {
  it('[C7] a redirect that wants its cookie back gets it, at its own origin only', async () => {
    const { resolve, origin } = await setUp((request, response) => {
      if (request.url === '/elsewhere') {
        expect(request.headers.cookie).toBeUndefined();
        return serveFile(request, response);
      }
      if (request.headers.cookie === 'session=a1; b=2') return serveFile(request, response);
      const headers = {
        location: '/model.gguf',
        'set-cookie': ['session=a1; Path=/; HttpOnly', 'b=2', 'c=3; Max-Age=0'],
      };
      response.writeHead(302, headers).end();
    });
    const { files } = await resolve();
    expect(files[0].size).toBe(5_000);
    expect((await files[0].locate(within())).url).toBe(`${origin}/model.gguf`);
  });

  it('[C7] a server that wants an Accept header gets one', async () => {
    const { resolve } = await setUp((request, response) => {
      if (request.headers.accept === undefined) return void response.writeHead(406).end();
      serveFile(request, response);
    });
    expect((await resolve()).files[0].size).toBe(5_000);
  });

  it.each([1, 4])('[C7] %i times 64 KiB of headers are read', async (times) => {
    const { resolve } = await setUp((request, response) => {
      for (let each = 0; each < times; each += 1) response.setHeader(`x-policy-${each}`, 'x'.repeat(64 * 1024));
      serveFile(request, response);
    });
    expect((await resolve()).files[0].size).toBe(5_000);
  });

  it.each<[string, string, RegExp]>([
    ['two equal Content-Length', 'content-length: 5\r\ncontent-length: 5\r\n\r\n12345', /or several of them/],
    ['400 KiB of headers', `x: ${'x'.repeat(400 * 1024)}\r\n\r\n`, /more headers than can be read/],
    ['a Content-Length that is no number', 'content-length: five\r\n\r\n12345', /does not send valid HTTP/],
  ])('[C7] %s are named in the error', async (_, rest, message) => {
    const { resolve } = await setUp((__, response) => void response.socket?.write(`HTTP/1.1 200 OK\r\n${rest}`));
    await expect(resolve()).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(message),
    });
  });

  it.each([1_800, 8_000])('[C6] a signed URL of %i characters is asked for as it is', async (characters) => {
    let asked = '';
    const { resolve, origin } = await setUp((request, response) => {
      asked = request.url ?? '';
      serveFile(request, response);
    });
    const path = `/model.gguf?X-Amz-Security-Token=`;
    const query = path + 'x'.repeat(characters - origin.length - path.length);
    const model = await resolve(query);
    expect(asked).toBe(query);
    expect(model.files[0].path).toBe('model.gguf');
    expect(model.pinnedRef(sha256Of(CONTENT))).toContain('hidden-');
    expect(parseModelRef(model.pinnedRef(null))).toMatchObject({ scheme: 'http' });
  });
});

describe('a URL of a hub whose CDN says nothing about the version', () => {
  const COMMIT = 'c'.repeat(40);
  const SHA256 = sha256Of(CONTENT);
  const hub =
    (headers: Record<string, string>): Answer =>
    (request, response) => {
      if (request.url === '/model.gguf') return void response.writeHead(302, { location: '/cdn', ...headers }).end('x');
      response.writeHead(200, { 'content-length': 5_000 }).end(isHead(request) ? undefined : CONTENT);
    };

  it.each([
    ['quoted', `"${SHA256}"`],
    ['bare', SHA256],
    ['weak', `W/"${SHA256}"`],
  ])('[C8] is known by the digest that the redirect gave, %s', async (_, etag) => {
    const { resolve } = await setUp(hub({ 'x-repo-commit': COMMIT, 'x-linked-etag': etag, 'x-linked-size': '5000' }));
    const { files, commit } = await resolve();
    expect(files[0]).toMatchObject({ sha256: SHA256, blobName: SHA256, size: 5_000 });
    expect(files[0]).not.toHaveProperty('isUnversioned');
    expect((await resolve()).commit).toBe(commit);
  });

  it("[C8] is known by git's digest of a plain file", async () => {
    const { resolve } = await setUp(hub({ 'x-repo-commit': COMMIT, 'x-linked-etag': `"${'d'.repeat(40)}"` }));
    const { files } = await resolve();
    expect(files[0]).toMatchObject({ sha256: null, gitSha1: 'd'.repeat(40), size: 5_000 });
    expect(files[0]).not.toHaveProperty('isUnversioned');
  });

  it.each<[string, Record<string, string>]>([
    ['no commit', { 'x-linked-etag': `"${SHA256}"` }],
    ['another kind of ETag', { 'x-repo-commit': COMMIT, 'x-linked-etag': '"abc"' }],
    ['no ETag', { 'x-repo-commit': COMMIT }],
  ])('[C8] is not known by a redirect with %s', async (_, headers) => {
    const { resolve } = await setUp(hub(headers));
    expect((await resolve()).files[0]).toMatchObject({ sha256: null, isUnversioned: true });
  });
});
