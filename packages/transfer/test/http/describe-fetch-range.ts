import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:net';
import type { RbeeError } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RangeFlow, RangeOptions, RangeSink } from '../../src/http/range-sink.ts';
import type { RangeHead, RangeRequest } from '../../src/http/response-head.ts';
import type { Limiter } from '../../src/index.ts';
import { type Answer, type FaultServer, refuse, reset, send, serve, stall, startFaultServer } from '../fault-server.ts';
import { createFixture, type Fixture, generousTimeoutMs } from '../fixture.ts';
import { manualTimers } from '../manual-timers.ts';

type FetchRange = (request: RangeRequest, options: RangeOptions, sink: RangeSink) => Promise<RangeHead>;

/** What is to be tested, and how it is put away. */
export interface FetchRangeUnderTest {
  readonly fetchRange: FetchRange;
  close(): Promise<void>;
}

/**
 * What everything that fetches ranges has to do, whatever it is made of. Each test has a server whose answers it scripts, and
 * looks at three sides: what the server is asked and what becomes of its connections, what the sink gets, and how it ends.
 * After each, nothing listens to the signal any more.
 */
export function describeFetchRange(name: string, make: () => FetchRangeUnderTest | Promise<FetchRangeUnderTest>): void {
  describe(`fetching ranges with ${name}`, () => {
    let fixture: Fixture;
    let other: FaultServer;
    let subject: FetchRangeUnderTest;
    let content: Buffer;
    let size: number;
    beforeEach(async () => {
      fixture = await createFixture();
      content = fixture.file.content;
      size = content.length;
      other = await startFaultServer(serve(fixture.file));
      subject = await make();
    });
    afterEach(async () => {
      try {
        expect(getEventListeners(fixture.abort.signal, 'abort')).toEqual([]);
      } finally {
        await subject.close();
        await other.close();
        await fixture.close();
      }
    });

    const rangeOf = (change: Partial<RangeRequest> = {}): RangeRequest => {
      const url = `${fixture.server.url}/model.bin`;
      const known = { start: 0, size, validator: null, isVerified: true, name: 'model.bin' };
      return { url, headers: { Authorization: 'Bearer t0ken' }, ...known, ...change };
    };
    const fetchInto = (sink: RangeSink, change: Partial<RangeRequest> = {}, options: Partial<RangeOptions> = {}) =>
      subject.fetchRange(rangeOf(change), { ...fixture.options(), ...options }, sink);
    const noSockets = () => fixture.server.until(() => fixture.server.openSockets === 0);
    /** Where an earlier answer came to its end, its connection may be waiting for the next request. */
    const oneSocketLess = () => fixture.server.until(() => fixture.server.openSockets < fixture.server.acceptedSockets);

    /** All went over one connection, also what followed at once, and it is open still. */
    const expectReuse = (requests: number) => {
      expect(fixture.server.requests).toHaveLength(requests);
      expect(fixture.server.acceptedSockets).toBe(1);
      expect(fixture.server.openSockets).toBe(1);
    };

    describe('a request', () => {
      test('for the whole file has a Range as well, bound to no version', async () => {
        await fetchInto(collect().sink);
        const [request] = fixture.server.requests;
        expect(request?.headers).toMatchObject({ 'accept-encoding': 'identity', authorization: 'Bearer t0ken' });
        expect(request?.headers['user-agent']).toMatch(/./);
        expect(request?.headers.range).toBe('bytes=0-');
        expect(request?.headers).not.toHaveProperty('if-range');
      });

      test.each([
        [{ start: 5 }, 'bytes=5-'],
        [{ start: 5, end: 10 }, 'bytes=5-9'],
        [{ start: 0, end: 10 }, 'bytes=0-9'],
      ])('for %j requests %s, if it is still the same file', async (change, range) => {
        const { sink, bytes } = collect();
        await fetchInto(sink, { ...change, validator: '"v1"', isVerified: false });
        expect(fixture.server.requests[0]?.headers).toMatchObject({ range, 'if-range': '"v1"' });
        expect(bytes().equals(content.subarray(change.start, 'end' in change ? change.end : size))).toBe(true);
      });
    });

    describe('a response is accepted', () => {
      const v1 = '"v1"';
      const partOf = (start: number, end: number, total: string): Answer => {
        return (_request, response) => {
          const headers = {
            etag: v1,
            'content-length': end - start,
            'content-range': `bytes ${start}-${end - 1}/${total}`,
          };
          response.writeHead(206, headers).end(content.subarray(start, end));
        };
      };
      const unframed: Answer = (request) => {
        request.socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'), content]));
      };
      const hinted: Answer = (request, response) => {
        response.writeEarlyHints({ link: '</x>; rel=preload' });
        serve(fixture.file)(request, response);
      };
      const inChunks: Answer = (_request, response) => {
        response.writeHead(200);
        send(response, content, () => void response.end());
      };
      type Row = readonly [
        what: string,
        Partial<RangeRequest>,
        () => Answer,
        Partial<RangeHead>,
        readonly [number, number],
      ];
      test.each<Row>([
        ['the whole file', {}, () => serve(fixture.file), { start: 0, end: 3e6, total: 3e6, validator: v1 }, [0, 3e6]],
        ['the rest', { start: 1e6 }, () => serve(fixture.file), { start: 1e6, end: 3e6, total: 3e6 }, [1e6, 3e6]],
        ['a part', { start: 9, end: 99 }, () => serve(fixture.file), { start: 9, end: 99, total: 3e6 }, [9, 99]],
        ['less than was asked for', { start: 9 }, () => partOf(9, 80, '3000000'), { start: 9, end: 80 }, [9, 80]],
        [
          'a part of what is not told',
          { start: 9 },
          () => partOf(9, 80, '*'),
          { start: 9, end: 80, total: 3e6 },
          [9, 80],
        ],
        [
          'the whole file instead of a part',
          { start: 1e6, validator: v1 },
          () => serve(fixture.file, { ignoreRange: true }),
          { start: 0, end: 3e6, total: 3e6, validator: v1 },
          [0, 3e6],
        ],
        [
          'nothing, where all is there',
          { start: 3e6, validator: v1 },
          () => serve(fixture.file),
          { start: 3e6, end: 3e6, total: 3e6, validator: v1 },
          [0, 0],
        ],
        ['a length that nobody knew', { size: null }, () => serve(fixture.file), { end: 3e6, total: 3e6 }, [0, 3e6]],
        ['no length', { size: null }, () => inChunks, { start: 0, end: null, total: null, validator: null }, [0, 3e6]],
        ['no length and no chunks', { size: null }, () => unframed, { start: 0, end: null, total: null }, [0, 3e6]],
        ['hints before it', {}, () => hinted, { start: 0, end: 3e6 }, [0, 3e6]],
        ['a file without a byte', { size: 0 }, () => serve({ content: Buffer.alloc(0) }), { end: 0, total: 0 }, [0, 0]],
      ])('with %s', async (_what, change, answer, head, [start, end]) => {
        fixture.server.script(answer());
        const { sink, heads, bytes } = collect();
        const told = await fetchInto(sink, change);
        expect(told).toMatchObject(head);
        expect(heads).toEqual([told]);
        expect(bytes().equals(content.subarray(start, end))).toBe(true);
      });
    });

    describe('a response is refused before the sink hears of it,', () => {
      const part = (headers: Record<string, string>, status = 206): Answer => {
        return (_request, response) => void response.writeHead(status, { etag: '"v1"', ...headers }).end('12345');
      };
      const rest: Partial<RangeRequest> = { start: 1e6, validator: '"v1"' };
      const range = (from: number, to: number, of = 3e6) => ({ 'content-range': `bytes ${from}-${to}/${of}` });
      type Row = readonly [what: string, Partial<RangeRequest>, Answer, code: string];
      test.each<Row>([
        ['a part without a Content-Range', rest, part({}), 'DOWNLOAD_FAILED'],
        ['a Content-Range of other words', rest, part({ 'content-range': 'items 1-2/3' }), 'DOWNLOAD_FAILED'],
        ['a part that begins one byte later', rest, part(range(1e6 + 1, 3e6 - 1)), 'DOWNLOAD_FAILED'],
        ['a part that begins one byte earlier', rest, part(range(1e6 - 1, 3e6 - 1)), 'DOWNLOAD_FAILED'],
        ['a part that ends behind the file', rest, part(range(1e6, 3e6 + 1)), 'DOWNLOAD_FAILED'],
        [
          'more than was asked for, without a length',
          { ...rest, end: 1e6 + 9, isVerified: false },
          part(range(1e6, 1e6 + 9)),
          'DOWNLOAD_FAILED',
        ],
        ['a part of another size', rest, part(range(1e6, 3e6, 4e6)), 'DOWNLOAD_FAILED'],
        [
          'a length that is not that of its range',
          rest,
          part({ ...range(1e6, 3e6 - 1), 'content-length': '5' }),
          'DOWNLOAD_FAILED',
        ],
        [
          'a part of another version',
          { ...rest, isVerified: false },
          part({ ...range(1e6, 3e6 - 1), etag: '"v2"' }),
          'SOURCE_CHANGED',
        ],
        [
          'a whole file of another version',
          { ...rest, isVerified: false },
          part({ etag: '"v2"' }, 200),
          'SOURCE_CHANGED',
        ],
        ['the end in the middle', rest, part({ 'content-range': 'bytes */5' }, 416), 'SOURCE_CHANGED'],
        [
          'a part under a weak ETag, where no digest is known',
          { ...rest, isVerified: false },
          part({ ...range(1e6, 3e6 - 1), etag: 'W/"v1"' }),
          'DOWNLOAD_FAILED',
        ],
        ['a file of another size', {}, part({ 'content-length': '5' }, 200), 'DOWNLOAD_FAILED'],
        ['gzip', {}, part({ 'content-encoding': 'gzip' }, 200), 'DOWNLOAD_FAILED'],
        ['a page', rest, part({ 'content-type': 'text/html', etag: '"page"' }, 200), 'DOWNLOAD_FAILED'],
        ['a page that is chunked', {}, part({ 'content-type': 'text/html; charset=utf-8' }, 200), 'DOWNLOAD_FAILED'],
        ['204', {}, refuse(204), 'DOWNLOAD_FAILED'],
        ['304', {}, refuse(304), 'DOWNLOAD_FAILED'],
        ['400', {}, refuse(400), 'DOWNLOAD_FAILED'],
        ['401', {}, refuse(401), 'MODEL_ACCESS_DENIED'],
        ['403', {}, refuse(403), 'MODEL_ACCESS_DENIED'],
        ['404', {}, refuse(404), 'MODEL_NOT_FOUND'],
        ['410', {}, refuse(410), 'MODEL_NOT_FOUND'],
        ['429', {}, refuse(429), 'SOURCE_UNAVAILABLE'],
        ['500', {}, refuse(500), 'SOURCE_UNAVAILABLE'],
        ['503', {}, refuse(503), 'SOURCE_UNAVAILABLE'],
      ])('with %s', async (_what, change, answer, code) => {
        fixture.server.script(answer);
        const { sink, heads, bytes } = collect();
        await expect(fetchInto(sink, change)).rejects.toMatchObject({ code });
        expect(heads).toEqual([]);
        expect(bytes().length).toBe(0);
      });

      test.each([
        ['7', 7_000],
        [new Date(0).toUTCString(), 0],
      ])('with 429 and a wait: %s', async (retryAfter, retryAfterMs) => {
        fixture.server.script(refuse(429, { 'retry-after': retryAfter }));
        const error = await fetchInto(collect().sink).catch((e: unknown) => e as RbeeError);
        expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryAfterMs, details: { status: 429 } });
      });
    });

    describe('a body', () => {
      const headed = (body: Buffer, end: (response: Parameters<Answer>[1]) => void, headers = {}): Answer => {
        return (_request, response) => {
          response.writeHead(200, headers);
          send(response, body, () => end(response));
        };
      };
      const close = (response: Parameters<Answer>[1]) => void response.socket?.end();
      const length = { 'content-length': 3_000_000 };
      test.each<[string, () => Answer]>([
        ['is cut', () => serve(fixture.file, { bytes: 1e6 })],
        ['is reset', () => serve(fixture.file, { bytes: 1e6, after: reset })],
        ['ends before its length', () => headed(content.subarray(0, 1e6), close, length)],
        ['ends one byte before its length', () => headed(content.subarray(0, -1), close, length)],
        ['in chunks ends without the last of them', () => headed(content.subarray(0, 1e6), close)],
        [
          'in chunks continues beyond the size',
          () => headed(Buffer.concat([content, Buffer.from('x')]), (r) => r.end()),
        ],
      ])('that %s is an error, and the bytes before it are right', async (_what, answer) => {
        fixture.server.script(answer());
        const { sink, bytes } = collect();
        await expect(fetchInto(sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
        expect(bytes().equals(content.subarray(0, bytes().length))).toBe(true);
        await noSockets();
      });

      test('in chunks that ends cleanly before the size is an error, too', async () => {
        fixture.server.script(headed(content.subarray(0, 1e6), (response) => response.end()));
        await expect(fetchInto(collect().sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
      });

      test('that was cut after many bytes has delivered all of them', async () => {
        fixture.server.script(serve(fixture.file, { bytes: 1e6, after: close }));
        const { sink, bytes } = collect();
        await expect(fetchInto(sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
        expect(bytes().length).toBe(1e6);
      });

      test('leaves its connection reusable', async () => {
        for (let i = 0; i < 8; i += 1) await fetchInto(collect().sink, { start: i * 1_000 });
        expectReuse(8);
      });
    });

    describe('a server', () => {
      test('that does not listen is SOURCE_UNAVAILABLE', async () => {
        const url = `http://127.0.0.1:${await closedPort()}/`;
        await expect(fetchInto(collect().sink, { url })).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
      });

      test.each<[string, Answer]>([
        ['does not speak HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH_9\r\n')],
        ['resets before any header', (_request, response) => reset(response)],
        ['ends before any header', (request) => void request.socket.end()],
        ['ends in its headers', (request) => void request.socket.end('HTTP/1.1 200 OK\r\nContent-Le')],
      ])('that %s is DOWNLOAD_FAILED', async (_what, answer) => {
        fixture.server.fallback(answer);
        await expect(fetchInto(collect().sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
        await noSockets();
      });
    });

    describe('redirects', () => {
      test('are followed five times, relative ones too', async () => {
        const { server } = fixture;
        server.script(...[1, 2, 3, 4, 5].map((n) => redirectTo(`/hop${n}`, [301, 302, 303, 307, 308][n - 1])));
        const { sink, heads, bytes } = collect();
        await fetchInto(sink);
        expect(bytes().equals(content)).toBe(true);
        expect(heads).toHaveLength(1);
        const hops = ['/model.bin', '/hop1', '/hop2', '/hop3', '/hop4', '/hop5'];
        expect(server.requests.map(({ url }) => url)).toEqual(hops);
        expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer t0ken');
      });

      test('without an end are an error', async () => {
        fixture.server.fallback(redirectTo('/again'));
        await expect(fetchInto(collect().sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
        expect(fixture.server.requests).toHaveLength(6);
      });

      test('to another origin drop the token, also on the way back', async () => {
        const { server } = fixture;
        server.script(redirectTo(`${other.url}/there`));
        other.script(redirectTo(`${server.url}/back`));
        const { sink, bytes } = collect();
        await fetchInto(sink, { start: 1_000, validator: '"v1"' });
        expect(bytes().equals(content.subarray(1_000))).toBe(true);
        const sent = [server.requests[0], other.requests[0], server.requests[1]];
        expect(sent.map((request) => request?.headers.authorization)).toEqual(['Bearer t0ken', undefined, undefined]);
        expect(sent.map((request) => request?.headers.range)).toEqual(Array(3).fill('bytes=1000-'));
      });

      test.each([
        ['file:///etc/passwd', 'SOURCE_NOT_ALLOWED'],
        ['ftp://127.0.0.1/x', 'SOURCE_NOT_ALLOWED'],
        ['http://user:secret@127.0.0.1/x', 'SOURCE_NOT_ALLOWED'],
        ['https://user@127.0.0.1/x', 'SOURCE_NOT_ALLOWED'],
        ['http://', 'DOWNLOAD_FAILED'],
      ])('to %s are refused', async (location, code) => {
        fixture.server.script(redirectTo(location));
        await expect(fetchInto(collect().sink)).rejects.toMatchObject({ code });
      });
    });

    describe('an unwanted body', () => {
      test('of a redirect or a refusal is read, so that the connection can be reused', async () => {
        const { server } = fixture;
        server.script(redirectTo('/x'), refuse(503));
        await expect(fetchInto(collect().sink)).rejects.toThrow();
        for (let i = 0; i < 4; i += 1) {
          server.script(redirectTo('/y'));
          await fetchInto(collect().sink);
        }
        expectReuse(10);
      });

      test.each([302, 503])('without an end is not read for long, after a status %i', async (status) => {
        fixture.server.script((_request, response) => {
          response.writeHead(status, { location: '/x' });
          const pour = () => {
            while (!response.destroyed && response.write(Buffer.alloc(65_536)));
            response.once('drain', pour);
          };
          pour();
        });
        const { sink, bytes } = collect();
        const done = fetchInto(sink);
        if (status === 503) await expect(done).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
        else await done;
        expect(bytes().equals(status === 302 ? content : Buffer.alloc(0))).toBe(true);
      });

      test('that does not arrive is not waited for, whatever the stall timeout', async () => {
        fixture.server.script(
          (_request, response) => void response.writeHead(503, { 'content-length': 9 }).write('no'),
        );
        const hour = 3_600_000;
        const done = fetchInto(collect().sink, {}, { stallTimeoutMs: hour, headersTimeoutMs: hour });
        await expect(done).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
        await noSockets();
      });

      test('of a web page closes the connection, since it may be as long as the file', async () => {
        const page = { 'content-type': 'text/html' };
        fixture.server.script((_request, response) => void response.writeHead(200, page).write('<p>'));
        await expect(fetchInto(collect().sink)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
        await noSockets();
      });
    });

    describe('the sink', () => {
      test('gets the head before any byte, and no byte until it is ready', async () => {
        const order: string[] = [];
        const sink: RangeSink = {
          start: async () => {
            order.push('start');
            await new Promise((resolve) => setImmediate(resolve));
            order.push('ready');
          },
          write: () => {
            order.push('bytes');
            return true;
          },
        };
        await fetchInto(sink);
        expect(order.slice(0, 3)).toEqual(['start', 'ready', 'bytes']);
        expect(new Set(order.slice(2))).toEqual(new Set(['bytes']));
      });

      test('applies back-pressure to the server', async () => {
        const { server } = fixture;
        const big = { content: Buffer.alloc(64 * 2 ** 20, 'x'), etag: '"big"' };
        server.script(serve(big));
        let taken = 0;
        let isHolding = true;
        const held = Promise.withResolvers<RangeFlow>();
        const { sink } = collect((chunk, flow) => {
          taken += chunk.length;
          if (taken < size || !isHolding) return true;
          held.resolve(flow);
          return false;
        });
        const done = fetchInto(sink, { size: big.content.length });
        const flow = await held.promise;
        const takenThen = taken;
        // A second file over another connection shows that the loop has turned many times meanwhile.
        await fetchInto(collect().sink);
        expect(taken - takenThen).toBeLessThanOrEqual(131_072);
        expect(server.bytesSent).toBeLessThan(big.content.length);
        isHolding = false;
        flow.resume();
        await done;
        expect(taken).toBe(big.content.length);
      });

      test.each([
        ['in a microtask', (resume: () => void) => queueMicrotask(resume)],
        ['in the next turn', (resume: () => void) => void setImmediate(resume)],
      ])('may pause on each chunk and resume %s', async (_when, go) => {
        const { sink, bytes } = collect((_chunk, flow) => {
          go(() => flow.resume());
          return false;
        });
        await fetchInto(sink);
        expect(bytes().equals(content)).toBe(true);
      });

      test('may resume when nothing is paused, and after the end', async () => {
        let last: RangeFlow | null = null;
        const { sink, bytes } = collect((_chunk, flow) => {
          last = flow;
          flow.resume();
          return true;
        });
        await fetchInto(sink);
        const flow = last as RangeFlow | null;
        flow?.resume();
        flow?.abort(new Error('too late'));
        flow?.stop();
        // The connection is another's by now, which none of this may touch.
        await fetchInto(collect().sink);
        expect(bytes().equals(content)).toBe(true);
        expectReuse(2);
      });

      test('that has enough ends the request without an error, and gets nothing more', async () => {
        let isOver = false;
        let late = 0;
        const { sink, heads } = collect((_chunk, flow) => {
          if (isOver) late += 1;
          isOver = true;
          flow.stop();
          return true;
        });
        const big = { content: Buffer.alloc(64 * 2 ** 20), etag: '"big"' };
        fixture.server.script(serve(big));
        expect(await fetchInto(sink, { size: big.content.length })).toEqual(heads[0]);
        await noSockets();
        expect(late).toBe(0);
        expect(fixture.server.bytesSent).toBeLessThan(big.content.length);
      });

      test('may end the request with its own error at any time, which closes the connection', async () => {
        const full = new Error('no room');
        const { sink } = collect((_chunk, flow) => {
          flow.abort(full);
          return true;
        });
        await expect(fetchInto(sink)).rejects.toBe(full);
        await noSockets();
        await expect(fetchInto({ start: () => Promise.reject(full), write: () => true })).rejects.toBe(full);
        await noSockets();
        const later: RangeSink = {
          start: async (_head, flow) => void setImmediate(() => flow.abort(full)),
          write: () => false,
        };
        await expect(fetchInto(later)).rejects.toBe(full);
        await noSockets();
      });
    });

    describe('a timeout', () => {
      /** The head and the first bytes of the file; then the test says when the rest comes. */
      const headed = (bytes: number, then: (rest: () => void) => void): Answer => {
        return (_request, response) => {
          response.writeHead(200, { 'content-length': size });
          send(response, content.subarray(0, bytes), () =>
            then(() => send(response, content.subarray(bytes), () => void response.end())),
          );
        };
      };
      /** The file in eight pieces, of which each but the first is sent when the next of `more` is called. */
      const drip = (more: (() => void)[]): Answer => {
        return (_request, response) => {
          const pieces = 8;
          response.writeHead(200, { 'content-length': size });
          for (let each = 1; each < pieces; each += 1) {
            const isLast = each === pieces - 1;
            more.push(() => {
              const piece = content.subarray(each * 1_000, isLast ? size : (each + 1) * 1_000);
              send(response, piece, () => void (isLast && response.end()));
            });
          }
          response.write(content.subarray(0, 1_000));
        };
      };

      test.each([0, 1, 3])('for headers ends the request, also after %i redirects', async (hops) => {
        const { server } = fixture;
        server.script(...Array.from({ length: hops }, (_, hop) => redirectTo(`/hop${hop}`)), stall);
        const timers = manualTimers();
        const done = fetchInto(collect().sink);
        void server.until(() => server.requests.length === hops + 1).then(() => timers.pass(generousTimeoutMs));
        await expect(done).rejects.toMatchObject({
          code: 'DOWNLOAD_TIMEOUT',
          message: expect.stringMatching(/headers/),
        });
        expect(server.requests).toHaveLength(hops + 1);
        await oneSocketLess();
      });

      test('for headers stops once they have arrived', async () => {
        const timers = manualTimers();
        const headersTimeoutMs = generousTimeoutMs / 2;
        fixture.server.script(headed(1_000, (rest) => void setImmediate(rest)));
        const { sink, bytes } = collect(() => {
          if (bytes().length === 1_000) timers.pass(headersTimeoutMs);
          return true;
        });
        await fetchInto(sink, {}, { headersTimeoutMs });
        expect(bytes().equals(content)).toBe(true);
      });

      test.each([0, 1_000])('for bytes ends the request after %i of them, and says so once', async (bytes) => {
        const timers = manualTimers();
        const stalls: string[] = [];
        fixture.server.script(headed(bytes, () => {}));
        const onStall = () => void stalls.push('stall');
        const { sink, bytes: received } = collect();
        const over = () => setImmediate(() => timers.pass(generousTimeoutMs));
        const watched: RangeSink = {
          start: async (head, flow) => {
            await sink.start(head, flow);
            if (bytes === 0) over();
          },
          write: (chunk) => {
            sink.write(chunk);
            if (received().length === bytes) over();
            return true;
          },
        };
        const done = fetchInto(watched, {}, { onStall });
        await expect(done).rejects.toMatchObject({
          code: 'DOWNLOAD_TIMEOUT',
          message: expect.stringMatching(/no data/),
        });
        expect(stalls).toEqual(['stall']);
        await noSockets();
      });

      test('for bytes starts again with each of them', async () => {
        const timers = manualTimers();
        const more: (() => void)[] = [];
        fixture.server.script(drip(more));
        // Each piece comes just in time, and all of them take many times as long as one may.
        const { sink, bytes } = collect(() => {
          timers.pass(generousTimeoutMs - 1);
          more.shift()?.();
          return true;
        });
        await fetchInto(sink);
        expect(bytes().equals(content)).toBe(true);
      });

      test.each(['the sink', 'the limit'])('for bytes stops while %s holds the body', async (who) => {
        const held = Promise.withResolvers<void>();
        const release = Promise.withResolvers<void>();
        let isFirst = true;
        const isHolding = () => {
          const isIt = isFirst;
          isFirst = false;
          if (isIt) held.resolve();
          return isIt;
        };
        const limiter = limiterThat(() => (who === 'the limit' && isHolding() ? release.promise : undefined));
        const { sink, bytes } = collect((_chunk, flow) => {
          if (who === 'the limit' || !isHolding()) return true;
          release.promise.then(() => flow.resume());
          return false;
        });
        const timers = manualTimers();
        const stalls: string[] = [];
        const onStall = () => void stalls.push('stall');
        const done = fetchInto(sink, {}, { limiter, onStall });
        await held.promise;
        // The pause of the body comes after the sink's answer; a timer that still ran would be over now, and end the request.
        await new Promise((resolve) => setImmediate(resolve));
        timers.pass(2 * generousTimeoutMs);
        await new Promise((resolve) => setImmediate(resolve));
        release.resolve();
        await done;
        expect(stalls).toEqual([]);
        expect(bytes().equals(content)).toBe(true);
      });
    });

    describe('a limit', () => {
      test('sees every byte of the body, and no other', async () => {
        let told = 0;
        const limiter = limiterThat((bytes) => {
          told += bytes;
          return undefined;
        });
        fixture.server.script(redirectTo('/x'));
        await fetchInto(collect().sink, { start: 1_000 }, { limiter });
        expect(told).toBe(size - 1_000);
      });

      test('applies back-pressure to the server as the sink does', async () => {
        const big = { content: Buffer.alloc(64 * 2 ** 20, 'x'), etag: '"big"' };
        fixture.server.script(serve(big));
        const held = Promise.withResolvers<void>();
        const release = Promise.withResolvers<void>();
        let taken = 0;
        const limiter = limiterThat(() => {
          if (taken < size) return undefined;
          held.resolve();
          return release.promise;
        });
        const { sink } = collect((chunk) => {
          taken += chunk.length;
          return true;
        });
        const done = fetchInto(sink, { size: big.content.length }, { limiter });
        await held.promise;
        const takenThen = taken;
        await fetchInto(collect().sink);
        expect(taken - takenThen).toBeLessThanOrEqual(131_072);
        release.resolve();
        await done;
        expect(taken).toBe(big.content.length);
      });

      test('and a sink that both hold the body must both release it', async () => {
        let turns = 0;
        const limiter = limiterThat(() => new Promise((resolve) => setImmediate(resolve)));
        const { sink, bytes } = collect((_chunk, flow) => {
          turns += 1;
          if (turns % 2 === 0) setImmediate(() => setImmediate(() => flow.resume()));
          return turns % 2 !== 0;
        });
        await fetchInto(sink, {}, { limiter });
        expect(bytes().equals(content)).toBe(true);
      });

      test('that fails ends the request with its error', async () => {
        const broken = new Error('no limit');
        const limiter = limiterThat(() => Promise.reject(broken));
        await expect(fetchInto(collect().sink, {}, { limiter })).rejects.toBe(broken);
        await noSockets();
      });
    });

    describe('an abort', () => {
      const reason = new Error('not wanted any more');
      const never = new Promise<never>(() => {});
      /** Bytes and then nothing more. */
      const halting = (): Answer => serve(fixture.file, { bytes: 1e6, after: stall });

      test('before the start sends no request', async () => {
        fixture.abort.abort(reason);
        await expect(fetchInto(collect().sink)).rejects.toBe(reason);
        expect(fixture.server.requests).toEqual([]);
      });

      interface Phase {
        readonly when: string;
        readonly answers: () => Answer[];
        /** Resolves when that phase is reached. */
        readonly reach: (reached: () => void) => { sink?: RangeSink; limiter?: Limiter };
      }
      const asked = (count: number) => (reached: () => void) => {
        void fixture.server.until(() => fixture.server.requests.length === count).then(() => setImmediate(reached));
        return {};
      };
      const holding = (reached: () => void) => {
        const { sink } = collect(() => {
          reached();
          return false;
        });
        return { sink };
      };
      const phases: readonly Phase[] = [
        { when: 'it waits for headers', answers: () => [stall], reach: asked(1) },
        { when: 'it waits for headers behind a redirect', answers: () => [redirectTo('/x'), stall], reach: asked(2) },
        {
          when: 'it reads what nobody wants',
          answers: () => [
            (_request, response) =>
              void response.writeHead(302, { location: '/x', 'content-length': 9 }).write('moved'),
          ],
          reach: asked(1),
        },
        {
          when: 'the sink gets ready',
          answers: () => [serve(fixture.file)],
          reach: (reached) => ({
            sink: {
              start: () => {
                reached();
                return never;
              },
              write: () => true,
            },
          }),
        },
        {
          when: 'it waits for bytes',
          answers: () => [halting()],
          reach: (reached) => {
            let taken = 0;
            const { sink } = collect((chunk) => {
              taken += chunk.length;
              if (taken === 1e6) setImmediate(reached);
              return true;
            });
            return { sink };
          },
        },
        { when: 'the sink holds it', answers: () => [serve(fixture.file)], reach: holding },
        {
          when: 'bytes come in',
          answers: () => [serve(fixture.file)],
          reach: (reached) => {
            const { sink } = collect(() => {
              reached();
              return true;
            });
            return { sink };
          },
        },
        {
          when: 'the limit holds it',
          answers: () => [serve(fixture.file)],
          reach: (reached) => ({
            limiter: limiterThat(() => {
              reached();
              return never;
            }),
          }),
        },
      ];

      test.each(phases)('while $when ends it immediately with the reason, and closes the connection', async (phase) => {
        const { server, abort } = fixture;
        server.script(...phase.answers());
        let lateBytes = 0;
        let isOver = false;
        const { sink = collect().sink, limiter } = phase.reach(() => {
          abort.abort(reason);
          isOver = true;
        });
        const watched: RangeSink = {
          start: (head, flow) => sink.start(head, flow),
          write: (chunk) => {
            if (isOver) lateBytes += chunk.length;
            return sink.write(chunk);
          },
        };
        await expect(fetchInto(watched, {}, limiter === undefined ? {} : { limiter })).rejects.toBe(reason);
        await oneSocketLess();
        expect(lateBytes).toBe(0);
      });
    });
  });
}

const redirectTo =
  (location: string, status = 302): Answer =>
  (_request, response) =>
    void response.writeHead(status, { location }).end('moved');

function collect(write: (chunk: Buffer, flow: RangeFlow) => boolean = () => true) {
  const chunks: Buffer[] = [];
  const heads: RangeHead[] = [];
  let flow: RangeFlow = { resume: () => {}, abort: () => {}, stop: () => {} };
  const sink: RangeSink = {
    start: async (head, given) => {
      heads.push(head);
      flow = given;
    },
    write: (chunk) => {
      chunks.push(chunk);
      return write(chunk, flow);
    },
  };
  return { sink, heads, bytes: () => Buffer.concat(chunks) };
}

function limiterThat(pass: (bytes: number) => Promise<void> | undefined): Limiter {
  const limiter: Limiter = { bytesPerSecond: 1, isLimited: true, set: () => {}, pass, child: () => limiter };
  return limiter;
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
