import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { makeSampleGguf, tempDir } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { localRanges, remoteRanges } from '../../src/models/gguf/ranges.ts';
import { type RangeReader, readGguf } from '../../src/models/gguf/read-gguf.ts';

const GGUF = makeSampleGguf({ size: 5_000_000, seed: 1 });
const SAMPLE = { architecture: 'llama', name: 'rbee sample', quantisation: 'F16', context_length: 512 };

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function readerOf(url: string, headers: Readonly<Record<string, string>> = {}): RangeReader {
  const dispatcher = new Agent();
  open.push(() => dispatcher.destroy());
  return remoteRanges({ dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1' }, { url, headers });
}

const read = (reader: RangeReader, timeoutMs = 20_000) =>
  readGguf(reader, { name: 'model-Q8_0.gguf', timeoutMs, signal: new AbortController().signal });

const ofBuffer =
  (bytes: Buffer): RangeReader =>
  async (start, end) => ({ bytes: new Uint8Array(bytes.subarray(start, end)), total: bytes.length });

describe('the header of a GGUF file', () => {
  it('is read from a file of this machine', async () => {
    const folder = await tempDir();
    open.push(() => folder.remove());
    const path = join(folder.path, 'model.gguf');
    await writeFile(path, GGUF);
    expect(await read(localRanges(path))).toMatchObject(SAMPLE);
    await expect(read(localRanges(`${path}-none`))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is read from a server with ranges, no more than needed', async () => {
    let sent = 0;
    const url = await serve((request, response) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const part = GGUF.subarray(Number(start), Number(end) + 1);
      sent += part.length;
      response.writeHead(206, { 'content-range': `bytes ${start}-${Number(start) + part.length - 1}/${GGUF.length}` });
      response.end(part);
    });
    expect(await read(readerOf(url))).toMatchObject(SAMPLE);
    expect(sent).toBeLessThan(GGUF.length);
  });

  it('is read from a server without ranges, and that connection is closed', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': GGUF.length });
      response.end(GGUF);
    });
    expect(await read(readerOf(url))).toMatchObject(SAMPLE);
  });

  it('never takes a token along a redirect to another origin', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers);
      response.writeHead(206, { 'content-range': `bytes 0-${GGUF.length - 1}/${GGUF.length}` });
      response.end(GGUF);
    });
    const own = await serve((request, response) => {
      seen.push(request.headers);
      response.writeHead(302, { location: request.url === '/here' ? `${other}/file` : '/here' }).end();
    });
    expect(await read(readerOf(`${own}/file`, { authorization: 'Bearer secret' }))).toMatchObject(SAMPLE);
    expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer secret', 'Bearer secret', undefined]);
  });

  it.each<[string, RequestListener, string]>([
    ['redirects without end', (_, response) => response.writeHead(302, { location: '/' }).end(), 'DOWNLOAD_FAILED'],
    [
      'redirects to a file',
      (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      'SOURCE_NOT_ALLOWED',
    ],
    ['refuses', (_, response) => response.writeHead(403).end(), 'MODEL_ACCESS_DENIED'],
    [
      'sends another range',
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('12345'),
      'SOURCE_UNAVAILABLE',
    ],
    ['hangs up', (request) => request.socket.destroy(), 'DOWNLOAD_FAILED'],
  ])('cannot be read from a server that %s', async (_, listener, code) => {
    await expect(read(readerOf(await serve(listener)))).rejects.toMatchObject({ code });
  });

  it('has a limit of time', async () => {
    const never: RangeReader = () => new Promise(() => {});
    await expect(read(never, 200)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('0.2 s'),
    });
  });

  it('has a limit of bytes', async () => {
    // A key that is followed by an array of arrays without end.
    const u32 = (value: number) => Buffer.from(new Uint32Array([value]).buffer);
    const u64 = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
    const start = [Buffer.from('GGUF'), u32(3), u64(0), u64(1), u64(1), Buffer.from('a'), u32(9), u32(8), u64(900_000)];
    const text = Buffer.concat([u64(100_000), Buffer.alloc(100_000, 'x')]);
    const head = Buffer.concat(start);
    let requested = 0;
    const endless: RangeReader = async (from, to) => {
      requested += to - from;
      const shift = (((from - head.length) % text.length) + text.length) % text.length;
      const bytes = new Uint8Array(
        Buffer.alloc(to - from, Buffer.concat([text.subarray(shift), text.subarray(0, shift)])),
      );
      bytes.set(head.subarray(from, to));
      return { bytes, total: null };
    };
    await expect(read(endless)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('too large'),
    });
    expect(requested).toBeLessThanOrEqual(50 * 2 ** 20);
  });

  it.each([
    ['another file', Buffer.alloc(10_000, 'not a GGUF')],
    ['an empty file', Buffer.alloc(0)],
    ['a file that is cut', GGUF.subarray(0, 2_000)],
    ['a header with absurd counts', Buffer.concat([GGUF.subarray(0, 8), Buffer.alloc(64, 0xff)])],
  ])('is refused for %s', async (_, bytes) => {
    await expect(read(ofBuffer(bytes))).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/^the GGUF header cannot be read: /),
    });
  });

  it('gives no text that could move a terminal’s cursor', async () => {
    const evil = Buffer.from(GGUF);
    evil.write('\u001b[2J\u001b]0;x', evil.indexOf('rbee sample'));
    expect((await read(ofBuffer(evil))).name).toMatch(/^[^\p{Cc}]+$/u);
  });

  it('can be aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const reader: RangeReader = () => {
      controller.abort(reason);
      return new Promise(() => {});
    };
    const options = { name: 'x.gguf', timeoutMs: 20_000, signal: controller.signal };
    await expect(readGguf(reader, options)).rejects.toBe(reason);
    await expect(readGguf(reader, options)).rejects.toBe(reason);
  });
});
