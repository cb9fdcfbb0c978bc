import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TransferNotice, transferFile } from '../src/index.ts';
import { type Answer, refuse, reset, send, serve, stall } from './fault-server.ts';
import { createFixture, type Fixture, generousTimeoutMs } from './fixture.ts';
import { manualTimers } from './manual-timers.ts';

/** Faults of a connection and of a server, and what becomes of the file. */
let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

const codes = () => fixture.notices.map(({ code }) => code);
const expectRightFile = async () => {
  expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
  expect(await fixture.names()).toEqual(['blob']);
};
const at40Percent = { bytes: 1_200_000 };

test('[B1] a connection cut at 40 % is resumed with Range and If-Range, and a notice says so', async () => {
  const { file, request, options, server, notices } = fixture;
  server.script(serve(file, at40Percent));
  const result = await transferFile(request(), options({ now: () => 1_000, random: () => 0.5 }));
  await expectRightFile();
  expect(result).toMatchObject({ wasted: 0, reused: 0 });
  const { range, 'if-range': ifRange } = server.requests[1]?.headers ?? {};
  // The digest decides.
  expect(ifRange).toBeUndefined();
  const resumedAt = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]);
  expect(resumedAt).toBeGreaterThan(1_000_000);
  expect(resumedAt).toBeLessThanOrEqual(1_200_000);
  expect(notices).toEqual([
    {
      code: 'RETRY',
      message: expect.stringMatching(/cut/),
      reason: 'DOWNLOAD_FAILED',
      attempt: 2,
      maxAttempts: 6,
      nextRetryAtMs: 1_001,
    },
    { code: 'RESUME', message: expect.stringMatching(/^model\.bin resumes at 1\.\d MB of 3\.0 MB$/) },
  ]);
});

test.each<[string, (fixture: Fixture) => Answer[]]>([
  ['a reset', ({ file }) => [serve(file, { ...at40Percent, after: reset })]],
  [
    'a body shorter than announced',
    ({ file }) => [serve(file, { ...at40Percent, after: (r) => void r.socket?.end() })],
  ],
  [
    'a body longer than the file',
    ({ file }) => [
      (_request, response) => {
        response.writeHead(200, { etag: '"v1"' });
        send(response, Buffer.concat([file.content, Buffer.alloc(10)]), () => void response.end());
      },
    ],
  ],
  [
    'a length that is not that of the file',
    ({ file }) => [serve({ content: Buffer.concat([file.content, file.content]) })],
  ],
  [
    'a chunked body that ends too early',
    ({ file }) => [
      (_request, response) => {
        response.writeHead(200, { etag: '"v1"' });
        send(response, file.content.subarray(0, 1_000_000), () => void response.end());
      },
    ],
  ],
  [
    'a body that is packed on the way',
    ({ file }) => [
      (_request, response) => {
        response.writeHead(200, { etag: '"v1"', 'content-encoding': 'gzip' });
        send(response, file.content, () => void response.end());
      },
    ],
  ],
  [
    'a web page in place of the file',
    () => [(_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>log in')],
  ],
  ['no HTTP at all', () => [(request) => void request.socket.end('SSH-2.0-OpenSSH_9\r\n')]],
  ['an end before any header', () => [(request) => void request.socket.destroy()]],
  ['503', () => [refuse(503), refuse(500), refuse(502)]],
  [
    'a Content-Range from elsewhere',
    ({ file }) => [
      serve(file, at40Percent),
      serve(file, { headers: { 'content-range': `bytes 0-${file.content.length - 1}/${file.content.length}` } }),
    ],
  ],
  [
    'a Content-Range that is off by one',
    ({ file }) => [
      serve(file, at40Percent),
      serve(file, { headers: { 'content-range': `bytes 1179647-2999998/${file.content.length}` } }),
    ],
  ],
])('%s is retried and ends in the right file', async (_what, answers) => {
  fixture.server.script(...answers(fixture));
  const result = await transferFile(fixture.request(), fixture.options());
  await expectRightFile();
  expect(result.wasted).toBe(0);
  expect(codes()).toContain('RETRY');
});

test('a part that ends before the file does is followed by the next part', async () => {
  const { file, request, options, server } = fixture;
  const { content } = file;
  server.script(serve(file, at40Percent), (incoming, response) => {
    const start = Number(/\d+/.exec(incoming.headers.range ?? '')?.[0]);
    const part = content.subarray(start, start + 500_000);
    const range = `bytes ${start}-${start + part.length - 1}/${content.length}`;
    response.writeHead(206, { etag: '"v1"', 'content-range': range, 'content-length': part.length }).end(part);
  });
  await transferFile(request(), options());
  await expectRightFile();
  expect(server.requests).toHaveLength(3);
});

test('[C2] a server that ignores Range costs a restart, counted as wasted', async () => {
  const { file, request, options, server, states } = fixture;
  server.script(serve(file, at40Percent), serve(file, { ignoreRange: true }));
  const result = await transferFile(request(), options());
  await expectRightFile();
  expect(codes()).toEqual(['RETRY', 'RESTART']);
  expect(result.wasted).toBeGreaterThan(1_000_000);
  for (const [i, state] of states.entries()) {
    const before = states[i - 1] ?? state;
    expect(state.wasted - before.wasted).toBe(Math.max(0, before.bytes - state.bytes));
  }
});

test('[C2] a server that ignores Range and always cuts does not keep us forever', async () => {
  const { file, request, options, server } = fixture;
  server.fallback(serve(file, { ...at40Percent, ignoreRange: true }));
  await expect(transferFile(request(), options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  expect(server.requests.length).toBeLessThanOrEqual(8);
});

/** Keeps the notices, and lets the delay before a retry pass. */
const retriedAtOnce = (timers: ReturnType<typeof manualTimers>) => (notice: TransferNotice) => {
  fixture.notices.push(notice);
  if (notice.code === 'RETRY') setImmediate(() => timers.pass(10));
};

describe('waiting', () => {
  test('[B1] for headers ends with a retry', async () => {
    const { request, options, server, notices } = fixture;
    const timers = manualTimers();
    server.script(stall);
    const done = transferFile(request(), options({ onNotice: retriedAtOnce(timers) }));
    await server.until(() => server.requests.length === 1);
    timers.pass(generousTimeoutMs);
    await done;
    await expectRightFile();
    expect(notices).toMatchObject([{ code: 'RETRY', message: expect.stringMatching(/no headers/) }]);
  });

  test('[B1] for a body that has stopped says so and resumes where it was', async () => {
    const { file, request, options, server, notices } = fixture;
    const timers = manualTimers();
    server.script(serve(file, { ...at40Percent, after: stall }));
    const done = transferFile(request(), options({ onNotice: retriedAtOnce(timers) }));
    await fixture.until(({ bytes }) => bytes > 0);
    await timers.passUntil(() => fixture.notices.length > 0);
    const result = await done;
    await expectRightFile();
    expect(result.wasted).toBe(0);
    expect(codes()).toEqual(['STALL', 'RETRY', 'RESUME']);
    expect(notices[1]?.attempt).toBe(2);
  });

  test('[B1] for a server that only ever stalls ends with DOWNLOAD_TIMEOUT', async () => {
    const { request, options, server } = fixture;
    const timers = manualTimers();
    server.fallback(() => void setImmediate(() => timers.pass(generousTimeoutMs)));
    const done = transferFile(request(), options({ onNotice: retriedAtOnce(timers) }));
    await expect(done).rejects.toMatchObject({ code: 'DOWNLOAD_TIMEOUT' });
    expect(codes()).toEqual(Array(5).fill('RETRY'));
    expect(server.requests).toHaveLength(6);
  });

  test.each([
    ['[B2] Retry-After: 0', '0'],
    ['[B2] a Retry-After of 1970', new Date(0).toUTCString()],
    ['[B2] a Retry-After that nobody can read', 'soon'],
  ])('%s waits as long as without it', async (_what, retryAfter) => {
    const { request, options, server, notices } = fixture;
    server.script(refuse(429, { 'retry-after': retryAfter }));
    const retry = { attempts: 2, baseDelayMs: 40, maxDelayMs: 1_000 };
    await transferFile(request(), options({ retry, now: () => 5, random: () => 0.5 }));
    await expectRightFile();
    expect(notices).toMatchObject([{ code: 'THROTTLE', attempt: 2, maxAttempts: 2, nextRetryAtMs: 45 }]);
  });

  test('is as long as the server requests, where that is longer', async () => {
    const { request, options, server, notices } = fixture;
    server.script(refuse(503, { 'retry-after': '1' }));
    await transferFile(request(), options({ now: () => 5 }));
    await expectRightFile();
    expect(notices).toMatchObject([{ code: 'RETRY', nextRetryAtMs: 1_005 }]);
  });
});

describe('[C1] a source that changes, where no digest is known,', () => {
  const other = Buffer.alloc(3_000_000, 'other');
  const unknown = { sha256: null };

  test('midway is fetched from its start, once', async () => {
    const { file, request, options, server } = fixture;
    server.script(serve({ content: other, etag: '"v0"' }, at40Percent));
    server.fallback(serve(file));
    const result = await transferFile(request(unknown), options());
    await expectRightFile();
    expect(codes()).toEqual(['RETRY', 'RESTART']);
    expect(result.wasted).toBeGreaterThan(1_000_000);
    expect(server.requests[1]?.headers['if-range']).toBe('"v0"');
  });

  test('again and again ends with SOURCE_CHANGED', async () => {
    const { request, options, server } = fixture;
    let version = 0;
    server.fallback((incoming, response) => {
      version += 1;
      serve({ content: other, etag: `"v${version}"` }, at40Percent)(incoming, response);
    });
    await expect(transferFile(request(unknown), options())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(server.requests).toHaveLength(4);
  });
});

describe('wrong bytes', () => {
  const corrupt = () => {
    const content = Buffer.from(fixture.file.content);
    content[1_500_000] = (content[1_500_000] ?? 0) ^ 1;
    return serve({ content, etag: '"v1"' });
  };

  test('once are discarded and fetched again', async () => {
    const { file, request, options, server } = fixture;
    server.script(corrupt());
    const result = await transferFile(request(), options());
    await expectRightFile();
    expect(result.wasted).toBe(file.content.length);
    expect(codes()).toEqual(['RESTART']);
  });

  test('twice end with CHECKSUM_MISMATCH, and none of them stays', async () => {
    const { request, options, server } = fixture;
    server.fallback(corrupt());
    const wanted = request();
    await expect(transferFile(wanted, options())).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
      details: { expected: wanted.sha256, actual: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(server.requests).toHaveLength(2);
    expect(await fixture.names()).toEqual([]);
  });

  test('are also found by the git sha1', async () => {
    const { request, options } = fixture;
    const wanted = request({ sha256: null, gitSha1: 'ab'.repeat(20) });
    await expect(transferFile(wanted, options())).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await fixture.names()).toEqual([]);
  });
});

test('a final status is not retried', async () => {
  const { request, options, server } = fixture;
  server.fallback(refuse(418));
  await expect(transferFile(request(), options())).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  expect(server.requests).toHaveLength(1);
});

test('[B1] a host that does not listen ends with SOURCE_UNAVAILABLE and a hint, after all attempts', async () => {
  const { request, options, notices } = fixture;
  const url = `http://127.0.0.1:${await closedPort()}/x?secret=1`;
  await expect(transferFile(request({ locate: async () => ({ url }) }), options())).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    hint: expect.stringMatching(/network/),
  });
  expect(notices).toHaveLength(5);
});

test('no notice and no error repeats the secret part of an address', async () => {
  const { request, options, server, notices } = fixture;
  server.fallback(refuse(403));
  server.script(refuse(503), serve(fixture.file, at40Percent), refuse(418));
  const error = await transferFile(request(), options()).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
  expect(JSON.stringify([notices, error, String(error)])).not.toContain('secret');
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
