import { once } from 'node:events';
import { chmod, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, makeCertificate } from '../../src/servers/certificate.ts';
import { type FileServer, type FileServerName, startFileServer } from '../../src/servers/file-server.ts';
import { findCommand } from '../../src/servers/find-command.ts';
import { type TempDir, tempDir } from '../../src/temp-dir.ts';

const names: readonly FileServerName[] = ['nginx', 'caddy', 'apache2'];
const isCi = process.env['CI'] === 'true';
const isMissing = (name: string) => findCommand(name) === null || findCommand('openssl') === null;
const content = Buffer.alloc(10_000, 'some bytes, ');

let folder: TempDir;
let certificate: Certificate;
beforeAll(async () => {
  folder = await tempDir();
  await chmod(folder.path, 0o755);
  if (isCi || !names.every(isMissing)) certificate = await makeCertificate(folder.path);
});
afterAll(() => folder.remove());

describe.each(names)('%s', (name) => {
  describe.skipIf(!isCi && isMissing(name))('on loopback', () => {
    let server: FileServer;
    let file: string;
    beforeAll(async () => {
      server = await startFileServer(name, { folder: join(folder.path, name), certificate });
      file = join(server.root, 'a.bin');
      await writeFile(file, content);
      const old = new Date('2020-01-01T00:00:00Z');
      await utimes(file, old, old);
    });
    afterAll(() => server.stop());

    const get = async (path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(server.url + path, { headers, redirect: 'manual' });
      return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
    };

    it('serves a file and a part of it, under a strong ETag', async () => {
      const whole = await get('/files/a.bin');
      expect(whole.status).toBe(200);
      expect(whole.body.equals(content)).toBe(true);
      expect(whole.headers.get('etag')).toMatch(/^"/);
      const part = await get('/files/a.bin', { range: 'bytes=9990-' });
      expect(part.status).toBe(206);
      expect(part.body.equals(content.subarray(9_990))).toBe(true);
    });

    it('knows no ranges under whole', async () => {
      const { status, body } = await get('/whole/a.bin', { range: 'bytes=9990-' });
      expect(status).toBe(200);
      expect(body.length).toBe(content.length);
    });

    it('packs under packed what may be packed', async () => {
      expect((await get('/packed/a.bin', { 'accept-encoding': 'gzip' })).headers.get('content-encoding')).toBe('gzip');
      const plain = await get('/packed/a.bin', { 'accept-encoding': 'identity' });
      expect(plain.headers.get('content-encoding')).toBeNull();
      expect(plain.body.equals(content)).toBe(true);
    });

    it('leads from loop to loop', async () => {
      const { status, headers } = await get('/loop/a.bin');
      expect(status).toBe(302);
      expect(new URL(headers.get('location') ?? '', server.url).href).toBe(`${server.url}/loop/a.bin`);
    });

    it.each([
      ['busy', 503, null],
      ['throttled', 429, '1'],
    ])('answers as the switch %s says, while it is there', async (turned, status, retryAfter) => {
      await writeFile(`${file}.${turned}`, '');
      const answer = await get('/files/a.bin');
      await rm(`${file}.${turned}`);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
      expect((await get('/files/a.bin')).status).toBe(200);
    });

    it('shows a page to log in to while the switch for that is there', async () => {
      await writeFile(`${file}.portal`, '');
      const { status, headers, body } = await get('/files/a.bin');
      await rm(`${file}.portal`);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toMatch(/text\/html/);
      expect(body.toString()).toMatch(/Sign in/);
    });

    it('offers HTTP/2 over TLS, under its own certificate', async () => {
      const ca = await readFile(certificate.certificateFile);
      const request = httpsRequest(`${server.tlsUrl}/files/a.bin`, { ca, agent: false }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      expect(response.resume().statusCode).toBe(200);
      const { connect } = await import('node:http2');
      const session = connect(server.tlsUrl, { ca });
      await once(session, 'connect');
      expect(session.alpnProtocol).toBe('h2');
      session.destroy();
    });
  });
});

it('a program that is not installed is not found', () => {
  expect(findCommand('no-such-server-anywhere')).toBeNull();
  expect(findCommand('sh')).toMatch(/\/sh$/);
});
