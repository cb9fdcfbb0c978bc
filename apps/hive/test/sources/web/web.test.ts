import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { parseModelRef, type RbeeError, type UrlRef } from '@rbee/contract';
import { NASTY_NAMES, startWebServer, type WebFile } from '@rbee/testing';
import { Agent, type Dispatcher } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createWebSource } from '../../../src/sources/web/web.ts';
import { createLayout } from '../../../src/store/layout.ts';
import { sha256Of } from '../conformance.ts';

const CONTENT = Buffer.alloc(50_000, 'content');
const SHA256 = sha256Of(CONTENT);
const layout = createLayout('/store/hub');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const within = () => AbortSignal.timeout(10_000);

async function setUp(dispatcher: Dispatcher = new Agent()) {
  const web = await startWebServer();
  const source = createWebSource({ dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1' });
  closing.push(
    () => web.close(),
    () => dispatcher.destroy(),
  );
  const resolve = (url: string) => source.resolve(parseModelRef(url) as UrlRef, within());
  const resolveFile = async (file: Partial<WebFile>, path = '/m/model.gguf') =>
    resolve(web.put(path, { content: CONTENT, ...file }));
  return { web, resolve, resolveFile };
}

describe('size and version', () => {
  it('come with one HEAD from an ordinary server', async () => {
    const { web, resolveFile } = await setUp();
    const { files, title } = await resolveFile({});
    expect(files[0]).toMatchObject({ path: 'model.gguf', size: 50_000, sha256: null, gitSha1: null });
    expect(title).toBe(new URL(web.url).host);
    expect(web.requests.map(({ method }) => method)).toEqual(['HEAD']);
  });

  it.each([400, 401, 403, 404, 405, 410, 500, 501, 502, 'silent'] as const)(
    '[C4] come with the first byte if a HEAD gets %s',
    async (head) => {
      const { web, resolveFile } = await setUp();
      const plain = await resolveFile({});
      web.clearRequests();
      const { files, commit } = await resolveFile({ head });
      expect(files[0].size).toBe(50_000);
      expect(commit).toBe(plain.commit);
      expect(web.requests.map(({ method, range }) => [method, range])).toEqual([
        ['HEAD', null],
        ['GET', 'bytes=0-0'],
      ]);
    },
  );

  it('[C4] come with the first byte without range support too, without reading the file', async () => {
    const { web, resolve } = await setUp();
    const url = web.put('/large.gguf', { content: { size: 50_000_000, seed: 1 }, head: 405, ranges: false });
    expect((await resolve(url)).files[0].size).toBe(50_000_000);
    await web.waitFor(() => web.inFlight === 0, 'the body to be given up');
    expect(web.requests.at(-1)?.bytesSent).toBeLessThan(50_000_000);
  });

  it('of an empty file are known too', async () => {
    const { resolveFile } = await setUp();
    expect((await resolveFile({ content: Buffer.alloc(0), head: 405 })).files[0].size).toBe(0);
  });

  it.each<[string, Partial<WebFile>, boolean]>([
    ['an ETag', { lastModified: null }, false],
    ['a date', { etag: null }, false],
    ['a weak ETag and a date', { etag: 'W/"x"' }, false],
    ['a weak ETag alone', { etag: 'W/"x"', lastModified: null }, true],
    ['nothing', { etag: null, lastModified: null }, true],
  ])('with %s', async (_, file, isUnversioned) => {
    const { resolveFile } = await setUp();
    const { files } = await resolveFile(file);
    expect(files[0].isUnversioned ?? false).toBe(isUnversioned);
    expect(files[0].size).toBe(50_000);
  });

  it('[C1] with a sha256 come from the content: it names the blob, and the ETag does not matter', async () => {
    const { web, resolve } = await setUp();
    const url = `${web.put('/model.gguf', { content: CONTENT, etag: null, lastModified: null })}::sha256=${SHA256}`;
    const first = await resolve(url);
    expect(first.files[0]).toMatchObject({ blobName: SHA256, sha256: SHA256 });
    expect(first.files[0]).not.toHaveProperty('isUnversioned');
    web.put('/model.gguf', { content: CONTENT, etag: '"new"' });
    expect((await resolve(url)).commit).toBe(first.commit);
    expect(first.pinnedRef(null)).toBe(url);
  });

  it('are pinned by the digest once that is known', async () => {
    const { web, resolve } = await setUp();
    const url = web.put('/model.gguf', { content: CONTENT });
    const model = await resolve(url);
    expect(model.pinnedRef(SHA256)).toBe(`${url}::sha256=${SHA256}`);
    expect(model.pinnedRef(null)).toBe(url);
  });

  it('[C1] that differ when the address is requested again are a change of the source', async () => {
    const { web, resolve } = await setUp();
    const url = web.put('/model.gguf', { content: CONTENT });
    const [file] = (await resolve(url)).files;
    await file.locate(within());
    expect((await file.locate(within())).url).toBe(url);
    web.put('/model.gguf', { content: CONTENT, etag: '"new"' });
    await expect(file.locate(within())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });
});

describe('the name', () => {
  it.each([
    ['/a/model.gguf?download=true', undefined, 'model.gguf'],
    ['/a/na%C3%AFve%20x.gguf', undefined, 'naïve x.gguf'],
    ['/a/%ff.gguf', undefined, '_ff.gguf'],
    ['/download', 'attachment; filename="x.gguf"', 'x.gguf'],
    ['/download', "attachment; filename*=UTF-8''%e3%83%a2.gguf", 'モ.gguf'],
    ['/download', 'attachment; filename="../../etc/passwd"', 'passwd'],
    ['/download', 'attachment; filename=".."', 'download'],
    ['/', undefined, 'model'],
  ])('of %s with %s is %s', async (path, disposition, name) => {
    const { resolveFile } = await setUp();
    const headers = disposition === undefined ? {} : { 'Content-Disposition': disposition };
    expect((await resolveFile({ headers }, path)).files[0].path).toBe(name);
  });

  it.each(NASTY_NAMES)('is safe in a header: $trick, $shown', async ({ name }) => {
    const { resolveFile } = await setUp();
    const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
      /['()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16)}`,
    );
    if (encoded.length > 4_000) expect(name.length).toBeGreaterThan(1_000);
    const headers = { 'Content-Disposition': `attachment; filename*=UTF-8''${encoded}` };
    assertStored(await resolveFile({ headers }, '/plain.gguf'));
  });

  it.each(NASTY_NAMES)('is safe in a path, or the ref is refused: $trick, $shown', async ({ name }) => {
    const { web, resolve } = await setUp();
    const url = `${web.url}/models/${encodeURIComponent(name.toWellFormed())}`;
    try {
      parseModelRef(url);
    } catch (error) {
      expect((error as RbeeError).code).toBe('MODEL_REF_INVALID');
      return;
    }
    web.put(new URL(url).pathname, { content: CONTENT });
    assertStored(await resolve(url));
  });

  it.each(NASTY_NAMES)('in an ETag does not matter: $trick, $shown', async ({ name }) => {
    const { resolveFile } = await setUp();
    const etag = Buffer.from(`"${name.replaceAll(/[^\x20-\x7e]|"/g, '_')}"`).toString('latin1');
    const { files } = await resolveFile({ etag });
    expect(files[0].blobName).toMatch(/^version-[0-9a-f]{40}$/);
  });
});

function assertStored({
  place,
  commit,
  files,
}: Awaited<ReturnType<ReturnType<typeof createWebSource>['resolve']>>): void {
  const folder = layout.snapshotFolder(place, commit);
  const path = layout.snapshotFile(place, commit, files[0].path);
  expect(path.startsWith(`${folder}/`)).toBe(true);
  expect(path.slice(folder.length + 1)).not.toContain('/');
  expect(layout.blob(place, files[0].blobName).startsWith('/store/hub/models--rbee.http--')).toBe(true);
}

describe('refusals', () => {
  it.each([
    [401, 'MODEL_ACCESS_DENIED', false],
    [403, 'MODEL_ACCESS_DENIED', false],
    [404, 'MODEL_NOT_FOUND', false],
    [410, 'MODEL_NOT_FOUND', false],
    [500, 'SOURCE_UNAVAILABLE', true],
  ])('%s is %s', async (status, code, retryable) => {
    const { web, resolve } = await setUp();
    const error = await resolve(`${web.refuse('/x.gguf', status)}?token=secret`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, retryable });
    expect((error as RbeeError).message).not.toContain('secret');
  });

  it('[A14] a page instead of the file is one, unless the file is a page or has a digest', async () => {
    const { web, resolve, resolveFile } = await setUp();
    const headers = { 'Content-Type': 'text/html; charset=utf-8' };
    await expect(resolveFile({ headers })).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: /web page/ });
    expect((await resolveFile({ headers }, '/index.html')).files[0].path).toBe('index.html');
    const url = web.put('/m/model.gguf', { content: CONTENT, headers });
    expect((await resolve(`${url}::sha256=${SHA256}`)).files[0].size).toBe(50_000);
  });

  it('an endless redirect is one, after a few', async () => {
    const { web, resolve } = await setUp();
    const url = web.redirect('/loop', '/loop?{n}');
    await expect(resolve(url)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: /redirects more than 5 times/,
    });
    // Six with HEAD, and six with GET.
    expect(web.requests.length).toBeLessThanOrEqual(12);
  });

  it.each([301, 302, 303, 307, 308])('a %s is none, and its target has the file', async (status) => {
    const { web, resolve } = await setUp();
    const target = web.put('/there/model.bin', { content: CONTENT });
    const { files } = await resolve(web.redirect('/here.gguf', target, status));
    expect(files[0].path).toBe('here.gguf');
    expect((await files[0].locate(within())).url).toBe(target);
  });

  it('a redirect to an invalid URL is one', async () => {
    const { web, resolve } = await setUp();
    await expect(resolve(web.redirect('/a', 'http://'))).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    await expect(resolve(web.refuse('/b', 302))).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  });
});

/** Every host is this server of the test's own, also where the client believes that it speaks TLS. */
function everywhere(port: number): Dispatcher {
  return new Agent({
    connect: (_, callback) => {
      const socket = connect(port, '127.0.0.1', () => callback(null, socket));
      socket.once('error', (error) => callback(error, null));
    },
  });
}

async function answering(response: (host: string) => string): Promise<{ server: Server; hosts: string[] }> {
  const hosts: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (head) => {
      const host = /^host: (.*)$/im.exec(head.toString())?.[1]?.trim() ?? '';
      hosts.push(host);
      socket.write(response(host));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { server, hosts };
}

describe('https', () => {
  const ok = `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\nConnection: close\r\n\r\n`;
  const redirect = (to: string) =>
    `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;

  it('is not left for http, and the other host gets no request', async () => {
    const { server, hosts } = await answering(() => redirect('http://cdn.example/x?token=secret'));
    const { resolve } = await setUp(everywhere((server.address() as AddressInfo).port));
    const error = await resolve('https://models.example/x.gguf').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'SOURCE_NOT_ALLOWED', message: /from https: to http:/ });
    expect((error as RbeeError).message).not.toContain('secret');
    expect(hosts).toEqual(['models.example']);
  });

  it('may redirect to another host over https', async () => {
    const { server, hosts } = await answering((host) =>
      host === 'models.example' ? redirect('https://cdn.example/y') : ok,
    );
    const { resolve } = await setUp(everywhere((server.address() as AddressInfo).port));
    const model = await resolve('https://models.example/x.gguf');
    expect(model).toMatchObject({ title: 'models.example', place: expect.stringMatching(/^https:models\.example--/) });
    expect(model.files[0]).toMatchObject({ path: 'x.gguf', size: 5 });
    expect(hosts).toEqual(['models.example', 'cdn.example']);
  });
});
