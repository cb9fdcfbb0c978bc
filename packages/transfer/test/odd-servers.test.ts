import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transferFile } from '../src/index.ts';
import { type Answer, isForRest, refuse, send, serve } from './fault-server.ts';
import { createFixture, type Fixture } from './fixture.ts';

/*
 * Goal: what servers, caches and CDNs of the field answer brings the right file. Method: one odd answer at a time, as the first one, as
 * that to a resume, or always. A failure shows as an error, as wrong bytes, or as bytes that were fetched twice.
 */
const size = 3_000_000;
const cutBytes = 1_200_000;
const defaultConnections = 8;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(size);
});
afterEach(() => fixture.close());

const expectRightFile = async () => {
  expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
  expect(await fixture.names()).toEqual(['blob']);
};
const codes = () => fixture.notices.map(({ code }) => code);
const ranges = () => fixture.server.requests.map(({ headers }) => headers.range);
const unknown = { sha256: null };

/** The requested range, as the server understands it. */
function askedOf(request: Parameters<Answer>[0]): { readonly start: number; readonly end: number } {
  const [, start = '0', last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  return { start: Number(start), end: last ? Number(last) + 1 : size };
}

/** Sends bytes with 206 under a Content-Range of its own. */
function part(contentRange: string, start: number, end: number, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    const body = fixture.file.content.subarray(start, end);
    response.writeHead(206, {
      'content-length': body.length,
      etag: '"v1"',
      ...(contentRange === '' ? {} : { 'content-range': contentRange }),
      ...headers,
    });
    send(response, body, () => void response.end());
  };
}

/** The first answer is cut; those for the rest of the file are odd. */
function cutThen(odd: (asked: { start: number; end: number }) => Answer): void {
  const good = serve(fixture.file);
  fixture.server.script(serve(fixture.file, { bytes: cutBytes }));
  fixture.server.fallback((request, response) => {
    (isForRest(request) ? odd(askedOf(request)) : good)(request, response);
  });
}

describe.each([1, defaultConnections])('over at most %i connections', (maxConnections) => {
  const run = (change = {}, options = {}) =>
    transferFile(fixture.request(change), fixture.options({ maxConnections, ...options }));

  describe('a CDN that refuses a whole file', () => {
    const wholeRefused = (status: number): Answer => {
      const good = serve(fixture.file);
      return (request, response) => (request.headers.range ? good : refuse(status))(request, response);
    };

    test.each([400, 403, 413])('[A3] with %i to a GET without Range sees none', async (status) => {
      fixture.server.fallback(wholeRefused(status));
      await run();
      await expectRightFile();
      expect(ranges()).toEqual(['bytes=0-']);
      expect(codes()).toEqual([]);
    });

    test('[A3] is asked with a Range also where the size is unknown', async () => {
      fixture.server.fallback(wholeRefused(400));
      await run({ size: null });
      await expectRightFile();
    });

    test('[A3] and is cut resumes', async () => {
      fixture.server.fallback(wholeRefused(400));
      fixture.server.script(serve(fixture.file, { bytes: cutBytes }));
      await run();
      await expectRightFile();
      expect(codes()).toEqual(['RETRY', 'RESUME']);
    });
  });

  describe('a server that refuses a range', () => {
    const rangeRefused = (answer: Answer): Answer => {
      const good = serve(fixture.file);
      return (request, response) => (request.headers.range ? answer : good)(request, response);
    };
    const said403: Answer = (_request, response) =>
      void response.writeHead(403).end('<Message>Invalid Range</Message>');

    test.each<[string, Answer]>([
      ['416', refuse(416)],
      ['400', refuse(400)],
      ['501', refuse(501)],
      ['403 "invalid range"', said403],
    ])('[A3] with %s is asked for the whole file, once', async (_what, answer) => {
      fixture.server.fallback(rangeRefused(answer));
      await run();
      await expectRightFile();
      expect(ranges()).toEqual(['bytes=0-', undefined]);
      expect(codes()).toEqual([]);
    });

    test.each<[string, Answer]>([
      ['416', refuse(416)],
      ['400', refuse(400)],
      ['501', refuse(501)],
      ['403 "invalid range"', said403],
    ])('[A3] with %s after a cut is asked for the whole file', async (_what, answer) => {
      fixture.server.fallback(rangeRefused(answer));
      fixture.server.script(serve(fixture.file, { bytes: cutBytes }));
      await run();
      await expectRightFile();
      expect(codes()).toContain('RESTART');
    });

    test('[A3] and the whole file as well ends with its refusal, after both', async () => {
      fixture.server.fallback(refuse(400));
      await expect(run()).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', details: { status: 400 } });
      expect(ranges()).toEqual(['bytes=0-', undefined]);
    });

    test('[A3] and access for another reason is not asked for more', async () => {
      fixture.server.fallback((_request, response) => void response.writeHead(403).end('Request has expired'));
      await expect(run()).rejects.toMatchObject({ code: 'MODEL_ACCESS_DENIED' });
      expect(ranges().every((range) => range === 'bytes=0-')).toBe(true);
    });

    test('[A3] of an empty file, whose size is unknown, brings the empty file', async () => {
      const empty: Answer = (request, response) => {
        if (request.headers.range) response.writeHead(416, { 'content-range': 'bytes */0' }).end();
        else response.writeHead(200, { 'content-length': 0, etag: '"v1"' }).end();
      };
      fixture.server.fallback(empty);
      expect(await run({ size: null, sha256: null })).toMatchObject({ bytes: 0 });
    });
  });

  describe('ETags that differ by edge', () => {
    const edges = (): Answer => {
      let edge = 0;
      return (request, response) => {
        edge += 1;
        serve({ ...fixture.file, etag: `"edge-${edge}"` }, edge < 4 ? { bytes: cutBytes / 4 } : {})(request, response);
      };
    };

    test('[C1] with each answer do not end a download whose sha256 is known', async () => {
      fixture.server.fallback(edges());
      const result = await run();
      await expectRightFile();
      expect(result.wasted).toBe(0);
      expect(codes()).not.toContain('RESTART');
    });

    test('[C1] with each answer do not end a download whose git sha1 is known', async () => {
      const { gitSha1Of } = await import('./fixture.ts');
      fixture.server.fallback(edges());
      const result = await run({ sha256: null, gitSha1: gitSha1Of(fixture.file.content) });
      await expectRightFile();
      expect(result.wasted).toBe(0);
    });

    test('[C1] one that the location names and the server does not', async () => {
      const location = { url: `${fixture.server.url}/model.bin`, validator: '"of-the-hub"' };
      await run({ locate: async () => location });
      await expectRightFile();
      expect(codes()).toEqual([]);
    });

    test('[C1] at the end of the file, answered with 416', async () => {
      cutThen(({ start }) => (_request, response) => {
        void start;
        response.writeHead(206, {
          etag: '"other"',
          'content-range': `bytes ${start}-${size - 1}/${size}`,
          'content-length': size - start,
        });
        send(response, fixture.file.content.subarray(start), () => void response.end());
      });
      const result = await run();
      await expectRightFile();
      expect(result.wasted).toBe(0);
    });

    test('[C1] are still another version where no digest is known', async () => {
      fixture.server.script(serve(fixture.file, { bytes: cutBytes }));
      fixture.server.fallback(serve({ ...fixture.file, etag: '"v2"' }));
      await run(unknown);
      expect(codes()).toContain('RESTART');
    });
  });

  describe('a Content-Range', () => {
    type Form = [what: string, form: (start: number, end: number) => string];
    test.each<Form>([
      ['with "=" after the unit', (start, end) => `bytes=${start}-${end - 1}/${size}`],
      ['with ":" after the unit', (start, end) => `bytes: ${start}-${end - 1}/${size}`],
      ['in another case', (start, end) => `Bytes ${start}-${end - 1}/${size}`],
      ['in capitals', (start, end) => `BYTES ${start}-${end - 1}/${size}`],
      ['without a unit', (start, end) => `${start}-${end - 1}/${size}`],
      ['with odd spacing', (start, end) => `  bytes   ${start} - ${end - 1} / ${size} `],
      ['without a space', (start, end) => `bytes${start}-${end - 1}/${size}`],
      ['with an exclusive end', (start) => `bytes ${start}-${size}/${size}`],
      ['without an end', (start) => `bytes ${start}-/${size}`],
      ['without a total', (start, end) => `bytes ${start}-${end - 1}`],
      ['with an unknown total', (start, end) => `bytes ${start}-${end - 1}/*`],
    ])('[C2] %s is read as it is meant', async (_what, form) => {
      cutThen(({ start, end }) => part(form(start, end), start, end));
      const result = await run();
      await expectRightFile();
      expect(result.wasted).toBe(0);
    });

    test('[C2] of the whole file is a 200', async () => {
      cutThen(() => part(`bytes 0-${size - 1}/${size}`, 0, size));
      await run();
      await expectRightFile();
      expect(codes()).toContain('RESTART');
    });

    test.each([512, 4_096, 65_536])(
      '[C2] that begins at a block of %i bytes is used from the requested byte on',
      async (block) => {
        cutThen(({ start }) => {
          const from = Math.floor((start - 1) / block) * block;
          return part(`bytes ${from}-${size - 1}/${size}`, from, size);
        });
        const result = await run();
        await expectRightFile();
        expect(result.wasted).toBe(0);
      },
    );

    test.each<[string, (start: number) => Answer]>([
      ['that is missing', (start) => part('', start, size)],
      ['of other words', (start) => part('items 1-2/3', start, size)],
      ['from elsewhere', (start) => part(`bytes ${start + 7}-${size - 1}/${size}`, start + 7, size)],
      ['that begins a byte too early', (start) => part(`bytes ${start - 1}-${size - 2}/${size}`, start, size)],
      [
        'in parts of a multipart body',
        (start) => part('', start, size, { 'content-type': 'multipart/byteranges; boundary=x' }),
      ],
    ])('[C2] %s, always, costs what is there and no more', async (_what, odd) => {
      cutThen(({ start }) => odd(start));
      await run();
      await expectRightFile();
      expect(codes().filter((code) => code === 'RESTART')).toHaveLength(1);
    });

    test('[C2] that promises more than was requested is cut', async () => {
      const good = serve(fixture.file);
      fixture.server.fallback((request, response) => {
        const { start, end } = askedOf(request);
        if (end < size) part(`bytes ${start}-${size - 1}/${size}`, start, size)(request, response);
        else good(request, response);
      });
      await run();
      await expectRightFile();
    });
  });

  describe('a Content-Encoding', () => {
    const labelled = (encoding: string) => serve(fixture.file, { headers: { 'content-encoding': encoding } });

    test.each(['', 'none', 'identity', 'aws-chunked', 'UTF-8', 'binary', 'application/octet-stream', 'aws-chunked,'])(
      '[C3] %j is no encoding',
      async (encoding) => {
        fixture.server.fallback(labelled(encoding));
        await run(unknown);
        await expectRightFile();
        expect(codes()).toEqual([]);
      },
    );

    test.each(['gzip', 'GZIP', 'x-gzip', 'br', 'zstd', 'aws-chunked,gzip'])(
      '[C3] %s stored beside the file is not believed where the digest is known',
      async (encoding) => {
        fixture.server.fallback(labelled(encoding));
        await run();
        await expectRightFile();
        expect(codes()).toEqual([]);
      },
    );

    test.each([
      ['gzip', 'model.tar.gz'],
      ['gzip', 'model.tgz'],
      ['x-gzip', 'model.GZ'],
      ['br', 'model.br'],
      ['zstd', 'model.tar.zst'],
    ])('[C3] %s of %s says how the file itself is packed', async (encoding, name) => {
      fixture.server.fallback(labelled(encoding));
      await run({ ...unknown, name });
      await expectRightFile();
    });

    test('[C3] gzip of an unknown file without a digest is refused, and says what to do', async () => {
      fixture.server.fallback(labelled('gzip'));
      await expect(run(unknown)).rejects.toMatchObject({
        code: 'DOWNLOAD_FAILED',
        hint: expect.stringMatching(/sha256/),
      });
    });
  });

  describe('a Transfer-Encoding', () => {
    const packed =
      (coding: string): Answer =>
      ({ socket, method }) => {
        const body = gzipSync(fixture.file.content);
        socket.write(`HTTP/1.1 200 OK\r\netag: "v1"\r\ntransfer-encoding: ${coding}, chunked\r\n\r\n`);
        if (method !== 'HEAD') {
          socket.write(`${body.length.toString(16)}\r\n`);
          socket.write(body);
          socket.write('\r\n0\r\n\r\n');
        }
        socket.end();
      };

    test.each([
      ['gzip', 'without a digest', unknown],
      ['x-gzip', 'without a digest', unknown],
      ['deflate', 'without a digest', unknown],
      ['gzip', 'with one', {}],
    ])('[C3] %s that nobody undoes never becomes the file, %s', async (coding, _, options) => {
      fixture.server.fallback(packed(coding));
      await expect(run(options)).rejects.toMatchObject({
        code: 'DOWNLOAD_FAILED',
        message: expect.stringContaining(`the transfer encoding "${coding}"`),
        hint: expect.stringMatching(/proxy/),
      });
    });
  });

  describe('a file of unknown size', () => {
    const stream =
      (isKnown = false): Answer =>
      (_request, response) => {
        response.writeHead(200, { ...(isKnown ? { 'content-length': size } : {}), etag: '"v1"' });
        send(response, fixture.file.content, () => void response.end());
      };

    test.each([
      ['with a digest', {}],
      ['without one', unknown],
    ])('[C5] that comes in chunks is fetched once, %s', async (_what, change) => {
      fixture.server.fallback(stream());
      const result = await run({ size: null, ...change });
      await expectRightFile();
      expect(result.wasted).toBe(0);
      expect(fixture.server.requests).toHaveLength(1);
    });

    test('[C5] whose size the response says is fetched once', async () => {
      fixture.server.fallback(stream(true));
      await run({ size: null });
      await expectRightFile();
      expect(fixture.server.requests).toHaveLength(1);
    });

    test('[C5] that ends with the connection is fetched once where the digest is known', async () => {
      fixture.server.fallback((request) => {
        request.socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
        request.socket.end(fixture.file.content);
      });
      await run({ size: null });
      await expectRightFile();
      expect(fixture.server.requests).toHaveLength(1);
    });

    test('[C5] and no byte is an empty file, asked for once', async () => {
      fixture.server.fallback((_request, response) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked' });
        response.end();
      });
      expect(await run({ size: null, sha256: null })).toMatchObject({ bytes: 0 });
      expect(fixture.server.requests).toHaveLength(1);
    });

    test('[C5] whose body is empty, although the digest says otherwise, is given up', async () => {
      fixture.server.fallback((_request, response) => void response.writeHead(200).end());
      await expect(run({ size: null })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
      expect(fixture.server.requests.length).toBeLessThanOrEqual(2);
    });
  });

  test('[C5] a body without a byte, of a file that has some, counts as a failed attempt', async () => {
    fixture.server.fallback((_request, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end();
    });
    await expect(run()).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(fixture.server.requests).toHaveLength(6);
  });

  test.each(['"v1"', null])('[C9] If-Range answered with 412 is repeated without it, ETag %s', async (etag) => {
    const file = { content: fixture.file.content, etag: '"v1"' };
    fixture.server.script(serve(file, { bytes: cutBytes }));
    fixture.server.fallback((request, response) => {
      if (request.headers['if-range']) refuse(412)(request, response);
      else serve(etag === null ? { content: file.content } : file)(request, response);
    });
    await run(unknown);
    await expectRightFile();
  });

  test('[C9] 412 to a request without a condition is final', async () => {
    fixture.server.fallback(refuse(412));
    await expect(run()).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', details: { status: 412 } });
  });
});

describe('a response that is no valid HTTP', () => {
  const raw =
    (head: string): Answer =>
    (request) =>
      void request.socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\nabc`);

  test('[C7] two equal Content-Length are reported as what they are', async () => {
    fixture.server.fallback(raw('Content-Length: 3\r\nContent-Length: 3'));
    await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/Content-Length twice/),
    });
  });

  test('[C7] more headers than can be read are reported as what they are', async () => {
    fixture.server.fallback(raw(`X-Long: ${'x'.repeat(100 * 1_024)}`));
    await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/more headers than can be read/),
    });
  });
});
