import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createConnectionBudget, createLimiter, transferFile } from '../src/index.ts';
import { journalPathOf, readJournal } from '../src/partial/journal.ts';
import { bytesOf, type Span } from '../src/partial/spans.ts';
import { type Answer, isForRest, refuse, reset, type ServeOptions, serve, stall } from './fault-server.ts';
import { createFixture, type Fixture } from './fixture.ts';

/*
 * Goal: many connections bring the same file as one, whatever becomes of each. Method: a server that gives each answer a rate,
 * so that more of them are worth having, and breaks some. A failure shows as other bytes, or as an attempt that failed.
 */
const MiB = 2 ** 20;
const size = 40 * MiB;
const bytesPerSecond = 12 * MiB;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(size);
  fixture.server.fallback(good());
});
afterEach(() => fixture.close());

const good = (options: ServeOptions = {}): Answer => serve(fixture.file, { bytesPerSecond, ...options });
/** One response alone is slow; with others each is so much faster that no load of the machine hides what they bring. */
const worthSeveral = (): Answer => {
  let open = 0;
  return (request, response) => {
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
    good({ bytesPerSecond: () => (open > 1 ? 12 * MiB : 2 * MiB) })(request, response);
  };
};
const run = (maxConnections = 4) => transferFile(fixture.request(), fixture.options({ maxConnections }));
const codes = () => fixture.notices.map(({ code }) => code);
const mostConnections = () => Math.max(...fixture.states.map(({ connections }) => connections));
const isRanged: (request: Parameters<Answer>[0]) => boolean = isForRest;
const expectRightFile = async () => {
  expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
  expect(await fixture.names()).toEqual(['blob']);
};
const expectNoFailedAttempt = () => {
  expect(fixture.states.every(({ attempt }) => attempt === 1)).toBe(true);
  expect(fixture.states.at(-1)).toMatchObject({ bytes: size, wasted: 0, connections: 0 });
};

test('a server that is slow per connection gets several, each with its own socket', async () => {
  const result = await run();
  await expectRightFile();
  expect(result).toMatchObject({ bytes: size, reused: 0, wasted: 0 });
  expectNoFailedAttempt();
  expect(mostConnections()).toBeGreaterThan(1);
  expect(mostConnections()).toBeLessThanOrEqual(4);
  expect(fixture.server.acceptedSockets).toBeGreaterThan(1);
  const bytes = fixture.states.map((state) => state.bytes);
  expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
  for (const { headers } of fixture.server.requests.slice(1)) expect(headers['if-range']).toBeUndefined();
  // The first connection may be cut where another has begun; nothing else is sent twice but what was on its way then.
  expect(fixture.server.bytesSent).toBeLessThan(size + 8 * MiB);
});

test.each([1, 4])('a small file stays on one connection of %i', async (most) => {
  const small = await createFixture(3 * MiB);
  try {
    small.server.fallback(serve(small.file, { bytesPerSecond: 4 * MiB }));
    await transferFile(small.request(), small.options({ maxConnections: most }));
    expect(small.server.requests).toHaveLength(1);
    expect(Math.max(...small.states.map(({ connections }) => connections))).toBe(1);
  } finally {
    await small.close();
  }
});

test('a bandwidth limit is no reason for more connections', async () => {
  fixture.server.fallback(good({ bytesPerSecond: 400 * MiB }));
  // Low enough to be the bottleneck on a busy machine too.
  const limiter = createLimiter(12 * MiB);
  await transferFile(fixture.request(), fixture.options({ maxConnections: 4, limiter }));
  await expectRightFile();
  expect(mostConnections()).toBe(1);
});

test('without a digest and a validator only one connection is used', async () => {
  const bare = { content: fixture.file.content };
  fixture.server.fallback(serve(bare, { bytesPerSecond: 40 * MiB }));
  await transferFile(fixture.request({ sha256: null }), fixture.options({ maxConnections: 4 }));
  await expectRightFile();
  expect(fixture.server.requests).toHaveLength(1);
});

test('[C2] a server that ignores Range is served on one connection, without a lost byte', async () => {
  fixture.server.fallback(good({ ignoreRange: true }));
  await run();
  await expectRightFile();
  expectNoFailedAttempt();
  expect(fixture.server.requests).toHaveLength(2);
});

describe('[B1] a server that accepts only two connections', () => {
  const atMost = (limit: number, refusal: Answer): Answer => {
    let open = 0;
    return (request, response) => {
      if (open >= limit) {
        refusal(request, response);
        return;
      }
      open += 1;
      response.once('close', () => {
        open -= 1;
      });
      good()(request, response);
    };
  };

  test.each<[string, Answer, string]>([
    ['503', refuse(503, { 'retry-after': '3600' }), 'RETRY'],
    ['429', refuse(429, { 'retry-after': '3600' }), 'THROTTLE'],
    ['a reset', (_request, response) => reset(response), 'RETRY'],
    ['416', refuse(416), 'RETRY'],
  ])('and answers a third with %s is served on two, and no attempt fails', async (_what, refusal, code) => {
    fixture.server.fallback(atMost(2, refusal));
    await run(8);
    await expectRightFile();
    expectNoFailedAttempt();
    expect(new Set(codes())).toEqual(new Set([code]));
    expect(codes().length).toBeLessThan(8);
  });
});

test('closing connections that were served does not count as a limit of connections', async () => {
  const served = new WeakSet<Socket>();
  let open = 0;
  let closed = 0;
  fixture.server.fallback((request, response) => {
    // Never the last one, whose end is that of the attempt.
    if (served.has(request.socket) && open > 1 && closed < 6) {
      closed += 1;
      reset(response);
      return;
    }
    served.add(request.socket);
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
    good({ bytesPerSecond: 6 * MiB })(request, response);
  });
  await run();
  await expectRightFile();
  // Two of four would be left after the second one.
  expect(closed).toBeGreaterThan(3);
  expectNoFailedAttempt();
});

test('a connection far slower than the others is dropped, and they fetch its rest', async () => {
  let ranged = 0;
  fixture.server.fallback((request, response) => {
    if (isRanged(request)) ranged += 1;
    good(ranged === 1 ? { bytesPerSecond: 1_000 } : { bytesPerSecond: 6 * MiB })(request, response);
  });
  await run();
  await expectRightFile();
  expectNoFailedAttempt();
  // At its own pace the slow one would need hours.
  expect(ranged).toBeGreaterThan(1);
});

test('a slow tail is split again', async () => {
  let ranged = 0;
  fixture.server.fallback((request, response) => {
    if (isRanged(request)) ranged += 1;
    const isSlow = ranged === 1 && isRanged(request);
    // So slow that it cannot come to its end by itself, also where the others are held up.
    good({ bytesPerSecond: isSlow ? MiB / 2 : 24 * MiB })(request, response);
  });
  await run();
  await expectRightFile();
  expectNoFailedAttempt();
  const [, slow] = fixture.server.requests;
  const [from = 0, to = 0] = (slow?.headers.range ?? '').replace('bytes=', '').split('-').map(Number);
  const inside = fixture.server.requests.slice(2).map(({ headers }) => Number(/\d+/.exec(headers.range ?? '')?.[0]));
  expect(inside.some((start) => start > from && start < to)).toBe(true);
});

test('connections cut at random places while others continue cost no attempt and no wrong byte', async () => {
  const random = createRandom(20_261_121);
  fixture.server.fallback((request, response) => {
    const cutAt = isRanged(request) && random() < 0.5 ? { bytes: 1 + Math.floor(random() * 2 * MiB) } : {};
    good(cutAt)(request, response);
  });
  const result = await run();
  await expectRightFile();
  expect(result.wasted).toBe(0);
});

test('[C1] another version on one of the connections starts the file over, once', async () => {
  let isOther = true;
  const other = { content: Buffer.alloc(size, 'other'), etag: '"v2"' };
  fixture.server.fallback((request, response) => {
    if (!isRanged(request) || !isOther) return good()(request, response);
    isOther = false;
    // It ignores If-Range, so only the validator shows that the part does not fit.
    request.headers['if-range'] = '"v2"';
    serve(other, { bytesPerSecond })(request, response);
  });
  const result = await run();
  await expectRightFile();
  expect(codes()).toContain('RESTART');
  expect(result.wasted).toBeGreaterThan(0);
});

test('a wrong byte on one of the connections is detected, and the file fetched again', async () => {
  const content = Buffer.from(fixture.file.content);
  content[size - 1_000] = (content[size - 1_000] ?? 0) ^ 1;
  let isBad = true;
  fixture.server.fallback((request, response) => {
    serve(isBad ? { content, etag: '"v1"' } : fixture.file, { bytesPerSecond })(request, response);
  });
  const done = transferFile(
    fixture.request(),
    fixture.options({
      maxConnections: 4,
      onNotice: (notice) => {
        fixture.notices.push(notice);
        if (notice.code === 'RESTART') isBad = false;
      },
    }),
  );
  expect((await done).wasted).toBe(size);
  await expectRightFile();
  expect(codes()).toEqual(['RESTART']);
});

test('an expired address is requested once for all connections', async () => {
  let asked = 0;
  const locate = async () => {
    asked += 1;
    return { url: `${fixture.server.url}/${asked}` };
  };
  fixture.server.fallback((request, response) => {
    const isOld = request.url === '/1' && isRanged(request);
    (isOld ? refuse(403) : good())(request, response);
  });
  await transferFile(fixture.request({ locate }), fixture.options({ maxConnections: 4 }));
  await expectRightFile();
  expectNoFailedAttempt();
  expect(asked).toBe(2);
});

test('an abort closes all sockets immediately and keeps what has arrived, wherever it is', async () => {
  fixture.server.fallback(worthSeveral());
  const several = Promise.withResolvers<void>();
  const reason = new Error('no longer wanted');
  const options = fixture.options({
    maxConnections: 4,
    onState: (state) => {
      fixture.states.push(state);
      if (state.connections > 1 && state.bytes > 8 * MiB) several.resolve();
    },
  });
  const done = transferFile(fixture.request(), options);
  done.catch(() => {});
  await several.promise;
  fixture.abort.abort(reason);
  await expect(done).rejects.toBe(reason);
  await fixture.server.until(() => fixture.server.openSockets === 0);
  const kept = fixture.states.at(-1)?.bytes ?? 0;
  const claimed = await readJournal(journalPathOf(fixture.partialPath));
  const ranges = claimed.state === 'read' ? claimed.journal.ranges : [];
  expect(bytesOf(ranges)).toBeGreaterThanOrEqual(kept);

  fixture.server.fallback(serve(fixture.file));
  const requestsBefore = fixture.server.requests.length;
  const again = fixture.options({ maxConnections: 4, signal: new AbortController().signal });
  const result = await transferFile(fixture.request(), again);
  await expectRightFile();
  expect(result).toMatchObject({ reused: bytesOf(ranges), wasted: 0 });
  for (const { headers } of fixture.server.requests.slice(requestsBefore)) {
    const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const requested: Span = [Number(from), to === '' ? size : Number(to) + 1];
    expect(bytesOf(ranges.flatMap((range) => overlapOf(range, requested)))).toBe(0);
  }
});

test('the next long file of a download starts with as many connections as helped the last', async () => {
  const connections = createConnectionBudget(4);
  fixture.server.fallback(worthSeveral());
  await transferFile(fixture.request(), fixture.options({ maxConnections: 4, connections }));
  const { usual } = connections;
  expect(usual).toBeGreaterThan(1);
  const next = await createFixture(size);
  try {
    // No byte comes, so that there is no speed to be judged: what is open is open from the start.
    next.server.fallback(serve(next.file, { bytes: 0, after: stall }));
    const enough = new AbortController();
    const signal = enough.signal;
    const onState = (state: { connections: number }) => {
      if (state.connections === usual) enough.abort(new Error('seen'));
    };
    const options = next.options({ maxConnections: 4, connections, signal, onState });
    await expect(transferFile(next.request(), options)).rejects.toThrow('seen');
    expect(connections.usual).toBe(usual);
    for (let each = 0; each < 4; each += 1) expect(connections.tryAcquire()).toBe(true);
    expect(connections.tryAcquire()).toBe(false);
  } finally {
    await next.close();
  }
});

test('transfers under one budget never exceed it, and each gets one', async () => {
  const budget = createConnectionBudget(3);
  const other = await createFixture(size);
  try {
    other.server.fallback(serve(other.file, { bytesPerSecond }));
    const now = [0, 0];
    let most = 0;
    const count = (which: number) => (state: { connections: number }) => {
      now[which] = state.connections;
      most = Math.max(most, (now[0] ?? 0) + (now[1] ?? 0));
    };
    const shared = { maxConnections: 8, connections: budget };
    await Promise.all([
      transferFile(fixture.request(), fixture.options({ ...shared, onState: count(0) })),
      transferFile(other.request(), other.options({ ...shared, onState: count(1) })),
    ]);
    await expectRightFile();
    expect(other.file.content.equals(await other.finalContent())).toBe(true);
    expect(most).toBeLessThanOrEqual(3);
    expect(most).toBeGreaterThan(1);
    for (let i = 0; i < 3; i += 1) expect(budget.tryAcquire()).toBe(true);
    expect(budget.tryAcquire()).toBe(false);
  } finally {
    await other.close();
  }
});

function overlapOf(a: Span, b: Span): readonly Span[] {
  const [start, end] = [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
  return start < end ? [[start, end]] : [];
}

/** A small generator with a seed, so that a failure can be seen again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
