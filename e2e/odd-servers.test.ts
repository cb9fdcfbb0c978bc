import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { generateBytes, startRegistry, type TempDir, type TestRegistry, tempDir } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Daemon, startDaemon } from './support/fleet.ts';
import { jsonOf, readStream, spoken } from './support/sse.ts';

// Goal: what a browser or curl can download from an odd server, a hive can, and what it cannot is one error that says why. Method: the built
// hive, and servers that a test writes byte by byte. Failure shows as another end, other bytes, or requests without end.

const CONTENT = generateBytes({ size: 300_000, seed: 9 });
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const HALF = CONTENT.length / 2;

let folder: TempDir;
let hive: Daemon;
let registry: TestRegistry;
beforeAll(async () => {
  folder = await tempDir();
  registry = await startRegistry();
  hive = await startDaemon('hive', [], {
    HOME: folder.path,
    RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
    RBEE_HIVE_STATE_DIR: join(folder.path, 'state'),
    RBEE_HIVE_ALLOWED_SOURCES: 'http,https,ollama',
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_OLLAMA_REGISTRY: registry.url,
    RBEE_HIVE_RETRY_BASE_DELAY: '5ms',
    RBEE_HIVE_RETRY_WINDOW: '0s',
    RBEE_HIVE_HEADERS_TIMEOUT: '10s',
  });
});
afterAll(async () => {
  await hive.program.kill();
  await registry.close();
  await folder.remove();
});

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

async function serve(answer: Answer) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.range ?? ''}`);
    answer(request, response, seen.length);
  });
  closing.push(() => server.closeAllConnections());
  return { origin: await listen(server), seen };
}

/** One response to each request of a connection, byte by byte; HEAD gets what stands before the body. */
async function serveRaw(head: string, body: Buffer = CONTENT, isClosed = true) {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      socket.write(head);
      if (data.toString('latin1').startsWith('GET')) socket.write(body);
      if (isClosed) socket.end();
    });
  });
  return { origin: await listen(server) };
}

async function endOf(model: string) {
  const { download_id, job_id } = await startDownload(hive.url, model);
  const events = await (await readStream(`${hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
  const lines = spoken(await (await readStream(`${hive.url}/v1/jobs/${job_id}/stream`)).toEnd());
  return { ...jsonOf(events.at(-1)), lines } as Record<string, unknown>;
}

async function expectContent(end: Record<string, unknown>): Promise<void> {
  expect(end['path'], JSON.stringify(end)).toEqual(expect.any(String));
  expect((await readFile(String(end['path']))).equals(CONTENT)).toBe(true);
}

const withDigest = `::sha256=${SHA256}`;

/** The file by ranges, with these headers. */
const ranged =
  (headers: Readonly<Record<string, string>> = {}): Answer =>
  (request, response) => {
    const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const common = { etag: '"e"', ...headers };
    if (from === '') return void response.writeHead(200, { ...common, 'content-length': CONTENT.length }).end(CONTENT);
    const end = to === '' ? CONTENT.length : Math.min(Number(to) + 1, CONTENT.length);
    const part = CONTENT.subarray(Number(from), end);
    response
      .writeHead(206, {
        ...common,
        'content-length': part.length,
        'content-range': `bytes ${from}-${end - 1}/${CONTENT.length}`,
      })
      .end(part);
  };

describe('a server of HTTP as it is spoken somewhere', () => {
  const length = `Content-Length: ${CONTENT.length}\r\n`;
  it.each([
    ['C7', 'no reason in the status line', `HTTP/1.1 200\r\n${length}\r\n`],
    ['C7', 'names of headers in capitals', `HTTP/1.1 200 OK\r\n${length.toUpperCase()}ETAG: "x"\r\n\r\n`],
    ['C7', 'spaces before values', `HTTP/1.1 200 OK\r\nContent-Length:   ${CONTENT.length}\r\n\r\n`],
    ['C7', 'an ETag without quotes', `HTTP/1.1 200 OK\r\n${length}ETag: abc\r\n\r\n`],
    ['C7', 'an empty ETag', `HTTP/1.1 200 OK\r\n${length}ETag: ""\r\n\r\n`],
    ['C7', 'two ETags', `HTTP/1.1 200 OK\r\n${length}ETag: "a"\r\nETag: "b"\r\n\r\n`],
    ['C7', 'bytes of latin1 in a header', `HTTP/1.1 200 OK\r\n${length}X-Name: \u00fc\u00e9\r\n\r\n`],
    ['C7', 'a date that is not one', `HTTP/1.1 200 OK\r\n${length}Last-Modified: yesterday\r\n\r\n`],
    ['C3', 'an unknown encoding', `HTTP/1.1 200 OK\r\n${length}Content-Encoding: none\r\n\r\n`],
    ['C3', 'an encoding of the name of a charset', `HTTP/1.1 200 OK\r\n${length}Content-Encoding: utf-8\r\n\r\n`],
  ])('[%s] is downloaded: %s', async (_kind, _what, head) => {
    const { origin } = await serveRaw(head);
    await expectContent(await endOf(`${origin}/model.gguf`));
  });

  it.each([
    ['C3', 'gzip, which it is not', 'Content-Encoding: gzip\r\n'],
    ['C3', 'x-gzip, which it is not', 'Content-Encoding: x-gzip\r\n'],
    ['C3', 'two encodings', 'Content-Encoding: aws-chunked, gzip\r\n'],
    ['C5', 'HTTP/1.0, whose end is the end of the connection', ''],
    ['C5', 'HTTP/1.1 without any length', 'Connection: close\r\n'],
  ])('[%s] is downloaded with its digest: %s', async (kind, what, header) => {
    const version = what.includes('1.0') ? '1.0' : '1.1';
    const { origin } = await serveRaw(`HTTP/${version} 200 OK\r\n${kind === 'C5' ? '' : length}${header}\r\n`);
    await expectContent(await endOf(`${origin}/model.gguf${withDigest}`));
  });

  it.each([
    ['C7', 'two equal Content-Length', `HTTP/1.1 200 OK\r\n${length}${length}\r\n`, /Content-Length/],
    ['C7', 'two different Content-Length', `HTTP/1.1 200 OK\r\n${length}Content-Length: 5\r\n\r\n`, /Content-Length/],
    ['C5', 'no length, and no digest', 'HTTP/1.0 200 OK\r\n\r\n', /does not give the size/],
    ['C7', 'no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n', /not send valid HTTP/],
    ['C7', 'a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', /not send valid HTTP/],
  ])('[%s] is one error that says why: %s', async (_kind, _what, head, message) => {
    const { origin } = await serveRaw(head);
    expect(await endOf(`${origin}/model.gguf`)).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      error: expect.stringMatching(message),
    });
  });
});

describe('a server with ranges of its own kind', () => {
  const cutOnce =
    (then: Answer): Answer =>
    (request, response, count) => {
      if (request.method === 'HEAD') return void response.writeHead(405).end();
      if (request.headers.range === 'bytes=0-0') return ranged()(request, response, count);
      const isFirst = !cut.has(request.socket.localPort ?? 0);
      cut.add(request.socket.localPort ?? 0);
      if (!isFirst) return then(request, response, count);
      response.writeHead(200, { etag: '"e"', 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, HALF), () => setTimeout(() => response.destroy(), 50));
    };
  const cut = new Set<number>();

  it.each<[string, string, Answer]>([
    ['C2', 'the whole file', (_, response) => void response.writeHead(200, { etag: '"e"' }).end(CONTENT)],
    [
      'C2',
      '416, though the range is valid',
      (request, response, count) =>
        request.headers.range === undefined
          ? ranged()(request, response, count)
          : void response.writeHead(416, { 'content-range': `bytes */${CONTENT.length}` }).end(),
    ],
    [
      'C2',
      'several parts in one',
      (request, response, count) => {
        if (request.headers.range === undefined) return ranged()(request, response, count);
        const body = `--b\r\nContent-Range: bytes 0-9/${CONTENT.length}\r\n\r\n0123456789\r\n--b--\r\n`;
        response.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=b', etag: '"e"' }).end(body);
      },
    ],
    [
      'C2',
      'a range without its total',
      (request, response) => {
        const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
        response
          .writeHead(206, { etag: '"e"', 'content-range': `bytes ${from}-${CONTENT.length - 1}/*` })
          .end(CONTENT.subarray(from));
      },
    ],
    [
      'C9',
      '412 to If-Range',
      (request, response, count) =>
        request.headers['if-range'] === undefined
          ? ranged()(request, response, count)
          : void response.writeHead(412).end(),
    ],
    ['C1', 'another ETag', ranged({ etag: '"another"' })],
    ['C1', 'a weak ETag', ranged({ etag: 'W/"e"' })],
    ['C1', 'no ETag', ranged({ etag: '' })],
  ])('[%s] completes after a cut when the rest comes as %s', async (_kind, _what, then) => {
    const { origin, seen } = await serve(cutOnce(then));
    await expectContent(await endOf(`${origin}/model.gguf${withDigest}`));
    expect(seen.length).toBeLessThan(16);
  });
});

describe('a server whose first answers mislead', () => {
  it.each<[string, string, Answer]>([
    [
      'C4',
      'a page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html', 'content-length': 10 }).end(),
    ],
    ['C4', 'a redirect to itself', (_, response) => void response.writeHead(302, { location: '/model.gguf' }).end()],
    ['C4', 'a redirect to nowhere', (_, response) => void response.writeHead(302, { location: 'http://[' }).end()],
    ['C4', 'a redirect without Location', (_, response) => void response.writeHead(302).end()],
    ['C4', '451', (_, response) => void response.writeHead(451).end()],
    ['C4', '500', (_, response) => void response.writeHead(500).end()],
    [
      'C4',
      '206',
      (_, response) => void response.writeHead(206, { 'content-range': 'bytes 0-0/1', 'content-length': 1 }).end(),
    ],
    ['C4', 'a cut connection', (request) => void request.socket.destroy()],
  ])('[%s] is asked with GET where HEAD gets %s', async (_kind, _what, head) => {
    const { origin } = await serve((request, response, count) =>
      request.method === 'HEAD' ? head(request, response, count) : ranged()(request, response, count),
    );
    await expectContent(await endOf(`${origin}/model.gguf`));
  });

  it.each([
    '../b/model.gguf',
    '//HOST/b/model.gguf',
    '/b/model.gguf#part',
    '/b/./model.gguf',
    '?x=/b',
    '/b/mod el.gguf',
  ])('[C7] redirects with Location %j', async (location) => {
    const { origin } = await serve((request, response, count) => {
      if (request.url !== '/a/model.gguf') return ranged()(request, response, count);
      response.writeHead(303, { location: location.replace('HOST', request.headers.host ?? '') }).end();
    });
    await expectContent(await endOf(`${origin}/a/model.gguf`));
  });

  it.each(['-1', 'soon', '1e3', '0', 'Wed, 21 Oct 2015 07:28:00 GMT', '0.5', ''])(
    '[B2] with Retry-After %j is asked again, and not in a storm',
    async (value) => {
      const { origin, seen } = await serve((request, response, count) =>
        count <= 3 ? void response.writeHead(503, { 'retry-after': value }).end() : ranged()(request, response, count),
      );
      await expectContent(await endOf(`${origin}/model.gguf`));
      expect(seen.length).toBeLessThan(10);
    },
  );

  it('[C5] that always ends at the same byte is given up', async () => {
    const { origin, seen } = await serve((request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(405).end();
      response.writeHead(200, { 'content-length': CONTENT.length, etag: '"e"' });
      response.write(CONTENT.subarray(0, 1_000), () => setTimeout(() => response.destroy(), 20));
    });
    expect(await endOf(`${origin}/model.gguf`)).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(seen.length).toBeLessThan(40);
  });

  it.each([
    ['a page', 'text/html', '<html>log in</html>'],
    ['an error in JSON', 'application/json', '{"error":"not found"}'],
    ['an error in XML', 'application/xml', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'],
  ])('[A14] that sends %s in place of a GGUF is no file, and asked few times', async (_what, type, text) => {
    const { origin, seen } = await serve(
      (_, response) => void response.writeHead(200, { 'content-type': type }).end(text),
    );
    expect(await endOf(`${origin}/model.gguf`)).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(seen.length).toBeLessThan(5);
  });
});

describe('refs over the API', () => {
  it.each([1_800, 8_000])('[C6] a URL of %i characters is downloaded as it is', async (characters) => {
    const urls: string[] = [];
    const { origin } = await serve((request, response, count) => {
      urls.push(request.url ?? '');
      ranged()(request, response, count);
    });
    const start = `${origin}/model.gguf?X-Amz-Security-Token=`;
    const url = start + 'a'.repeat(characters - start.length);
    const end = await endOf(url);
    await expectContent(end);
    expect(new Set(urls)).toEqual(new Set([url.slice(origin.length)]));
    expect(JSON.stringify(end)).not.toContain('a'.repeat(500));
  });

  it('[C6] a longer one is refused with its code', async () => {
    const model = `http://127.0.0.1/${'a'.repeat(9_000)}`;
    const { status, body } = await api('POST', `${hive.url}/v1/jobs`, { operation: 'model_download', model });
    expect(status).toBe(400);
    expect(body['error']).toMatchObject({ code: 'MODEL_REF_INVALID' });
  });

  it('[H3] what belongs to a model of a registry is said in its job, and in a plan', async () => {
    registry.addModel('library/tiny', '7b', CONTENT, [
      ['adapter', 'a'],
      ['template', 't'],
    ]);
    const { lines } = await endOf('ollama:tiny:7b');
    const text = (lines as string[]).join('\n');
    expect(text).toMatch(/complete only with its adapter .*--lora/);
    expect(text).toMatch(/template inside the GGUF/);
    const { body } = await api('POST', `${hive.url}/v1/jobs`, { operation: 'model_plan', model: 'ollama:tiny:7b' });
    const events = await (await readStream(`${hive.url}${String(body['sse_url'])}`)).toEnd();
    expect(spoken(events).join('\n')).toMatch(/complete only with its adapter .*--lora/);
  });
});
