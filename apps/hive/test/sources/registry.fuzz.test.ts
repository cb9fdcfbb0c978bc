import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerLater, costlyRuns, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOllama } from '../../src/sources/ollama/ollama.ts';

// A registry on loopback whose next answer the property chooses: what is read is what came over a socket.

interface Next {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const DIGEST = `sha256:${'0'.repeat(64)}`;
const CODES = [
  'SOURCE_UNAVAILABLE',
  'MODEL_NOT_FOUND',
  'MODEL_ACCESS_DENIED',
  'DOWNLOAD_FAILED',
  'CHECKSUM_MISMATCH',
  'SOURCE_NOT_ALLOWED',
];

let next: Next;
let server: Server;
let url: string;
const dispatcher = new Agent();
beforeAll(async () => {
  server = createServer((_, response) => {
    response.writeHead(next.status, next.headers).end(next.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

const resolve = () =>
  createOllama({ registry: url, dispatcher, headersTimeoutMs: 5_000, userAgent: 'test' }).resolve(
    { scheme: 'ollama', host: null, namespace: 'library', name: 'tiny', tag: 'latest' },
    AbortSignal.timeout(30_000),
  );

describe('a registry', () => {
  it('with any manifest has one model with a valid size, or is refused with a code', async () => {
    const layer = fc.record({
      mediaType: fc.constantFrom('application/vnd.ollama.image.model', 'x', 7),
      digest: fc.oneof(fc.constant(DIGEST), hostileText(['sha256:', '0'.repeat(64), '../'])),
      size: fc.oneof(fc.nat(), fc.constantFrom(-1, 1.5, 1e300, null)),
    });
    const manifest = fc.record({ layers: fc.oneof(fc.array(layer, { maxLength: 3 }), fc.jsonValue()) });
    const text = fc.oneof(
      manifest.map((each) => JSON.stringify(each)),
      fc.json(),
      hostileText(['{', '"layers"', ':', '[', ']', '}']),
    );
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        next = { status: 200, headers: {}, body };
        const read = await answerLater(resolve);
        if ('code' in read) return void expect(CODES).toContain(read.code);
        const [file] = read.value.files;
        expect(file.blobName).toBe('0'.repeat(64));
        expect(Number.isSafeInteger(file.size) && (file.size ?? -1) >= 0).toBe(true);
      }),
      costlyRuns(20),
    );
  });

  it('with any challenge or redirect is refused with a code, without requests to others', async () => {
    const header = hostileText([
      'Bearer ',
      'realm=',
      '"',
      'http://10.0.0.1',
      'https://',
      'user:pw@',
      ',',
      'service=',
      'scope=',
      'file:///etc',
      '//',
      ' ',
      '?a=b',
      '%',
    ]);
    const status = fc.constantFrom(301, 302, 307, 401, 403, 404, 429, 500);
    await fc.assert(
      fc.asyncProperty(header, status, async (said, code) => {
        const safe = said.replaceAll(/[^\t\x20-\x7e]/g, '?');
        // A place that exists must not be asked by a test.
        fc.pre(!/https:\/\/[^"\s]/.test(safe));
        next = {
          status: code,
          headers: { 'www-authenticate': safe, location: safe.replaceAll('10.0.0.1', '127.0.0.1:1') },
          body: '',
        };
        const read = await answerLater(resolve);
        expect('code' in read && CODES).toContain('code' in read ? read.code : 'a model');
      }),
      costlyRuns(20),
    );
  });
});
