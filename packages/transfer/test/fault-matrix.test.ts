import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ErrorCode } from '@rbee/contract';
import { maxRedirects } from '@rbee/http';
import { describe, expect, test } from 'vitest';
import { journalPathOf, printJournal } from '../src/partial/journal.ts';
import type { Span } from '../src/partial/spans.ts';
import { type ConnectOptions, createPlace, type Ending, manySize, type Place, type Try, type Ways } from './ending.ts';
import {
  type Answer,
  type FaultServer,
  isForRest,
  refuse,
  reset,
  send,
  serve,
  stall,
  startFaultServer,
} from './fault-server.ts';
import { sha256Of } from './fixture.ts';

/*
 * Goal: every fault ends in the right file or in the contract's code, over one connection and over several.
 * Method: one answer of a server is bad: the first, or with several connections the first to a request for a part; the others
 * are good. Or all are bad. Then disks, names and partials. Failure shows in `Place.run`, which holds every transfer to the
 * same promise, or in what a cell adds to it.
 */
const MiB = 2 ** 20;
const small = randomBytes(3 * MiB);
const large = randomBytes(manySize);
const etag = '"v1"';
const otherEtag = '"v2"';
const stallTimeoutMs = 400;
const testTimeoutMs = 120_000;
const waysOf: readonly Ways[] = ['one', 'several'];
const overTitle = (ways: Ways) => `over ${ways === 'one' ? 'one connection' : 'several connections'}`;

interface Stage {
  readonly ways: Ways;
  readonly content: Buffer;
  readonly server: FaultServer;
  readonly place: Place;
  run(change?: Partial<Try>): Promise<Ending>;
}

async function onStage(ways: Ways, check: (stage: Stage) => Promise<void>, connect?: ConnectOptions): Promise<void> {
  const content = ways === 'one' ? small : large;
  const server = await startFaultServer(serve({ content, etag }));
  const place = await createPlace(connect);
  const known = { size: content.length, sha256: sha256Of(content) };
  try {
    await check({
      ways,
      content,
      server,
      place,
      run: (change) =>
        place.run({ url: `${server.url}/model.bin?signature=s`, right: [content], ways, request: known, ...change }),
    });
  } finally {
    await place.close();
    await server.close();
  }
}

/** The body of a good answer up to a place in it, and then something else. */
const cutAt = (stage: Stage, after: Parameters<typeof serve>[1]): Answer =>
  serve({ content: stage.content, etag }, { bytes: MiB, ...after });
const flipped = (content: Buffer, at: number): Buffer => {
  const bad = Buffer.from(content);
  bad[at] = (bad[at] ?? 0) ^ 0x20;
  return bad;
};
/** A body that comes in pieces without a length. */
const chunked = (stage: Stage, change: (part: Buffer) => Buffer, headers: Record<string, string> = {}): Answer => {
  return (request, response) => {
    const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), to === '' ? stage.content.length : Number(to) + 1];
    const range = { 'content-range': `bytes ${start}-${end - 1}/${stage.content.length}` };
    const isPart = request.headers.range !== undefined;
    response.writeHead(isPart ? 206 : 200, { etag, ...(isPart ? range : {}), ...headers });
    send(response, change(stage.content.subarray(start, end)), () => void response.end());
  };
};
/** The right bytes under a Content-Range that is moved by some. */
const moved = (stage: Stage, by: number): Answer => {
  return (request, response) => {
    const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? 'bytes=0-') ?? [];
    const [start, last] = [Number(from), to === '' ? stage.content.length - 1 : Number(to)];
    const range = `bytes ${start + by}-${last + by}/${stage.content.length}`;
    serve({ content: stage.content, etag }, { headers: { 'content-range': range } })(request, response);
  };
};

interface Bad {
  readonly what: string;
  readonly answer: (stage: Stage) => Answer;
  /** What one connection ends with when every answer is bad: a code, or null for the right file. Left out: either may be. */
  readonly always?: Ending['code'];
  /**
   * The code that several connections may end with when every part is answered badly and the first request is not. Whether it is
   * that or the right file is up to who comes first: the first connection continues until it meets a part of another.
   */
  readonly alwaysForParts?: ErrorCode;
  /** Only a request for a part can be answered like this. */
  readonly isPart?: true;
  /** Requests that are answered badly to make one fault. */
  readonly times?: number;
  /** What ends it is a timeout. */
  readonly isStall?: true;
  /** Over so many ways it may do no harm, and then nothing is said of it. */
  readonly isUnseen?: Ways;
}

const bads: readonly Bad[] = [
  { what: '[B1] a reset', answer: (stage) => cutAt(stage, { after: reset }) },
  {
    what: '[B1] a reset before any header',
    answer: () => (_request, response) => reset(response),
    always: 'DOWNLOAD_FAILED',
  },
  {
    what: '[B1] a truncated body',
    answer: (stage) => cutAt(stage, { after: (response) => void response.socket?.end() }),
    always: null,
  },
  {
    what: '[C5] a truncated body without a length',
    answer: (stage) => chunked(stage, (part) => part.subarray(0, Math.max(0, part.length - 1_000))),
    // Another connection may have been given the end of its part.
    isUnseen: 'several',
    always: 'DOWNLOAD_FAILED',
    alwaysForParts: 'DOWNLOAD_FAILED',
  },
  {
    what: 'more bytes than announced',
    // A connection that has all of its part reads no further.
    isUnseen: 'several',
    answer: (stage) => chunked(stage, (part) => Buffer.concat([part, Buffer.alloc(1_000)])),
  },
  {
    what: '[B1] a stall before any header',
    answer: () => stall,
    isStall: true,
    always: 'DOWNLOAD_TIMEOUT',
    alwaysForParts: 'DOWNLOAD_TIMEOUT',
  },
  {
    what: '[B1] a stall before the first byte of the body',
    answer: (stage) => cutAt(stage, { bytes: 0, after: stall }),
    isStall: true,
    always: 'DOWNLOAD_TIMEOUT',
  },
  {
    what: '[B1] a stall in the body',
    answer: (stage) => cutAt(stage, { after: stall }),
    isStall: true,
    always: null,
  },
  {
    what: '[B2] 429 with Retry-After in seconds',
    answer: () => refuse(429, { 'retry-after': '0' }),
    always: 'SOURCE_UNAVAILABLE',
    alwaysForParts: 'SOURCE_UNAVAILABLE',
  },
  {
    what: '[B2] 429 with Retry-After as a date',
    answer: () => refuse(429, { 'retry-after': new Date(0).toUTCString() }),
    always: 'SOURCE_UNAVAILABLE',
  },
  ...[500, 503].map(
    (status): Bad => ({ what: `[B1] ${status}`, answer: () => refuse(status), always: 'SOURCE_UNAVAILABLE' }),
  ),
  {
    what: '[C2] a Content-Range from elsewhere',
    answer: (stage) => moved(stage, -4_096),
    // After the second one the whole file is requested.
    always: null,
    isPart: true,
  },
  {
    what: '[C2] a Content-Range that is off by one',
    answer: (stage) => moved(stage, -1),
    always: null,
    isPart: true,
  },
  {
    what: '[C2] 206 without a Content-Range',
    answer: () => (_request, response) => void response.writeHead(206, { etag }).end('x'),
    // Where nothing can be lost, the whole file is requested immediately.
    isUnseen: 'one',
    always: 'DOWNLOAD_FAILED',
  },
  {
    what: '[C1] a part of another version, although If-Range said no',
    answer: (stage) => (request, response) => {
      request.headers['if-range'] = otherEtag;
      serve({ content: randomBytes(stage.content.length), etag: otherEtag })(request, response);
    },
    always: null,
    alwaysForParts: 'CHECKSUM_MISMATCH',
    isPart: true,
  },
  {
    what: 'flipped bytes',
    answer: (stage) => (request, response) => {
      const { content } = stage;
      const last = /-(\d+)$/.exec(request.headers.range ?? '')?.[1];
      const bad = flipped(content, last === undefined ? content.length - 1 : Number(last));
      serve({ content: bad, etag })(request, response);
    },
    always: 'CHECKSUM_MISMATCH',
    alwaysForParts: 'CHECKSUM_MISMATCH',
  },
  {
    what: '[C3] gzip that was not requested',
    answer: (stage) => chunked(stage, (part) => part, { 'content-encoding': 'gzip' }),
    always: 'DOWNLOAD_FAILED',
  },
  {
    what: '[A14] a page to log in to',
    answer: () => (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/html', etag: '"page"' }).end('<p>sign in'),
    always: 'DOWNLOAD_FAILED',
  },
  {
    what: 'redirects in a circle',
    answer: () => (request, response) => void response.writeHead(302, { location: request.url ?? '/' }).end(),
    always: 'DOWNLOAD_FAILED',
    times: maxRedirects + 1,
  },
  {
    what: 'a redirect to nowhere',
    answer: () => (_request, response) => void response.writeHead(302, { location: 'http://' }).end(),
    always: 'DOWNLOAD_FAILED',
  },
  { what: 'no HTTP', answer: () => (request) => void request.socket.end('SSH-2.0-x\r\n'), always: 'DOWNLOAD_FAILED' },
];

/** Elsewhere only a hang would end with a timeout. */
const optionsOf = ({ isStall }: Bad) => (isStall ? { stallTimeoutMs, headersTimeoutMs: stallTimeoutMs } : {});
/** One connection requests a part only where it resumes. */
const prepare = async ({ ways, isPart }: { ways: Ways; isPart: true | undefined }, stage: Stage) => {
  if (ways === 'one' && isPart) expect(await stage.run({ abortAtBytes: MiB })).toMatchObject({ code: 'aborted' });
};

describe.concurrent.each(waysOf)('over %s', { timeout: testTimeoutMs }, (ways) => {
  for (const bad of bads) {
    const { what, answer, always, alwaysForParts, isPart, isUnseen, times = 1 } = bad;
    const options = optionsOf(bad);
    const isTurn = (request: Parameters<Answer>[0]) => isForRest(request) || (ways === 'one' && !isPart);

    test(`${what}, once, ends in the right file, ${overTitle(ways)}`, () =>
      onStage(ways, async (stage) => {
        await prepare({ ways, isPart }, stage);
        let taken = 0;
        const good = serve({ content: stage.content, etag });
        const badly = answer(stage);
        stage.server.fallback((request, response) => {
          const isBad = taken < times && isTurn(request);
          taken += isBad ? 1 : 0;
          (isBad ? badly : good)(request, response);
        });
        const ending = await stage.run({ options, ...(ways === 'one' ? {} : { holdUntilNotices: 1 }) });
        expect(ending.code).toBeNull();
        const codes = ending.notices.map(({ code }) => code).filter((code) => code !== 'RESUME');
        if (isUnseen !== ways) expect(codes).not.toEqual([]);
        if (ways === 'several') expect(ending.mostConnections).toBeGreaterThan(1);
      }));

    const codes = ways === 'one' ? [always] : [null, alwaysForParts];
    if (codes.includes(undefined)) continue;
    const end = codes.map((code) => (code == null ? 'in the right file' : `with ${code}`)).join(' or ');
    test(`${what}, always, ends ${end}, ${overTitle(ways)}`, () =>
      onStage(ways, async (stage) => {
        await prepare({ ways, isPart }, stage);
        const good = serve({ content: stage.content, etag });
        const badly = answer(stage);
        stage.server.fallback((request, response) => (isTurn(request) ? badly : good)(request, response));
        expect(codes).toContain((await stage.run({ options })).code);
      }));
  }

  test(`a slow drip is no stall, ${overTitle(ways)}`, () =>
    onStage(ways, async ({ run, server, content }) => {
      const limitMs = 1_000;
      server.fallback(serve({ content, etag }, { bytesPerSecond: ways === 'one' ? 2 * MiB : 10 * MiB }));
      const began = performance.now();
      const ending = await run({ options: { stallTimeoutMs: limitMs } });
      expect(ending).toMatchObject({ code: null, hasFailedAttempt: false, notices: [] });
      expect(performance.now() - began).toBeGreaterThan(limitMs);
    }));

  test(`Range that is ignored ends in the right file, ${overTitle(ways)}`, () =>
    onStage(ways, async ({ run, server, content }) => {
      server.fallback(serve({ content, etag }, { ignoreRange: true }));
      await run({ abortAtBytes: MiB });
      const ending = await run();
      expect(ending).toMatchObject({ code: null, hasFailedAttempt: false });
      expect(ending.result?.wasted).toBeGreaterThanOrEqual(MiB);
    }));

  test(`[C1] a file that changes between two requests ends in the new one if any will do, ${overTitle(ways)}`, () =>
    onStage(ways, async (stage) => {
      const { run, server, content } = stage;
      const other = randomBytes(content.length);
      server.fallback(serve({ content: other, etag: otherEtag }));
      server.script(ways === 'one' ? cutAt(stage, {}) : serve({ content, etag }));
      const request = { size: null, sha256: null };
      const ending = await run({ request, right: [other], ...(ways === 'one' ? {} : { holdUntilNotices: 1 }) });
      expect(ending.code).toBeNull();
      expect(ending.notices.map(({ code }) => code)).toContain('RESTART');
    }));

  test(`[C1] a file that changes for good while the old one is wanted ends with CHECKSUM_MISMATCH, ${overTitle(ways)}`, () =>
    onStage(ways, async (stage) => {
      const { run, server, content } = stage;
      server.fallback(serve({ content: randomBytes(content.length), etag: otherEtag }));
      server.script(ways === 'one' ? cutAt(stage, {}) : serve({ content, etag }));
      const ending = await run(ways === 'one' ? {} : { holdUntilNotices: 1 });
      expect(ending.code).toBe('CHECKSUM_MISMATCH');
    }));

  test(`an address that expires again and again is renewed, ${overTitle(ways)}`, () =>
    onStage(ways, async (stage) => {
      const { server } = stage;
      let asked = 0;
      const locate = async () => {
        asked += 1;
        return { url: `${server.url}/${asked}` };
      };
      const used = new Map<string, number>();
      const cut = cutAt(stage, {});
      const good = serve({ content: stage.content, etag });
      // Each address is good for one request, of which one connection gets but a part.
      server.fallback((request, response) => {
        const times = (used.get(request.url ?? '') ?? 0) + 1;
        used.set(request.url ?? '', times);
        const answer = times > 1 ? refuse(403) : request.url === '/1' && ways === 'several' ? good : cut;
        (asked > 4 && times === 1 ? good : answer)(request, response);
      });
      const known = { size: stage.content.length, sha256: sha256Of(stage.content) };
      const ending = await stage.run({
        request: { ...known, locate },
        ...(ways === 'one' ? {} : { holdUntilNotices: 1 }),
      });
      expect(ending).toMatchObject({ code: null, result: { wasted: 0 } });
      expect(asked).toBeGreaterThan(1);
    }));

  test(`an address that is refused for good ends with MODEL_ACCESS_DENIED, ${overTitle(ways)}`, () =>
    onStage(ways, async ({ run, server }) => {
      server.fallback(refuse(403));
      expect((await run()).code).toBe('MODEL_ACCESS_DENIED');
    }));

  describe('[B1] a host name that cannot be resolved', () => {
    const url = (server: FaultServer) => server.url.replace('127.0.0.1', 'files.test');
    const connectThatFails = (fails: (lookup: number) => boolean) => {
      let lookups = 0;
      const lookup: LookupFunction = (_host, { all }, found) => {
        lookups += 1;
        const failure = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
        if (fails(lookups)) found(failure, '', 4);
        else if (all) found(null, [{ address: '127.0.0.1', family: 4 }]);
        else found(null, '127.0.0.1', 4);
      };
      return { lookup, autoSelectFamily: false };
    };

    test(`for a moment costs nothing, ${overTitle(ways)}`, () =>
      onStage(
        ways,
        async ({ run, server }) => {
          const ending = await run({ url: url(server), ...(ways === 'one' ? {} : { holdUntilNotices: 1 }) });
          expect(ending).toMatchObject({ code: null, result: { wasted: 0 } });
          expect(ending.notices[0]?.message).toMatch(/not found/);
        },
        connectThatFails((lookup) => lookup === (ways === 'one' ? 1 : 2)),
      ));

    test(`for good ends with SOURCE_UNAVAILABLE, ${overTitle(ways)}`, () =>
      onStage(
        ways,
        async ({ run, server }) => {
          const error = { hint: expect.stringMatching(/DNS/) };
          expect(await run({ url: url(server) })).toMatchObject({ code: 'SOURCE_UNAVAILABLE', error });
        },
        connectThatFails(() => true),
      ));
  });

  describe('a partial of a previous run', () => {
    /** Leaves two pieces with a gap between them, and what the journal says of them. */
    const leave = async ({ place, content, server }: Stage, change: (piece: Buffer) => Buffer) => {
      const ranges: Span[] = [
        [0, MiB],
        [MiB + 500_000, 2 * MiB],
      ];
      const bytes = Buffer.from(content.subarray(0, 2 * MiB));
      bytes.fill(0, MiB, MiB + 500_000);
      await writeFile(place.partialPath, change(bytes));
      const known = { url: `${server.url}/model.bin`, validator: etag, size: content.length, gitSha1: null };
      return printJournal({ boot: null, ...known, sha256: sha256Of(content), ranges });
    };

    test(`that is right is resumed, with nothing fetched twice, ${overTitle(ways)}`, () =>
      onStage(ways, async (stage) => {
        const journal = await leave(stage, (piece) => piece);
        await writeFile(journalPathOf(stage.place.partialPath), journal);
        const ending = await stage.run();
        expect(ending).toMatchObject({ code: null, result: { wasted: 0, reused: 2 * MiB - 500_000 } });
      }));

    test.each([100, 2 * MiB - 1])(`that has a wrong byte at %i is detected, ${overTitle(ways)}`, (at) =>
      onStage(ways, async (stage) => {
        await writeFile(journalPathOf(stage.place.partialPath), await leave(stage, (piece) => flipped(piece, at)));
        const ending = await stage.run();
        expect(ending).toMatchObject({ code: null, result: { wasted: stage.content.length, reused: 0 } });
        expect(ending.notices.map(({ code }) => code)).toEqual(['RESUME', 'RESTART']);
      }),
    );

    test.each<[string, (journal: string) => string]>([
      ['a flipped digit', (journal) => journal.replace(String(MiB), String(MiB + 1))],
      ['an end that is missing', (journal) => journal.slice(0, -20)],
      ['zeros in its place', (journal) => '\0'.repeat(journal.length)],
      ['nothing in it', () => ''],
    ])(`whose journal has %s starts over, ${overTitle(ways)}`, (_what, change) =>
      onStage(ways, async (stage) => {
        // The pieces are wrong, so that trust in the journal would show where no digest is known.
        const journal = await leave(stage, (piece) => flipped(piece, 77));
        await writeFile(journalPathOf(stage.place.partialPath), change(journal));
        const ending = await stage.run({ request: { size: stage.content.length, sha256: null } });
        expect(ending).toMatchObject({ code: null, result: { reused: 0 } });
        expect(ending.notices.map(({ code }) => code)).toEqual(['RESTART']);
      }),
    );
  });
});

test(
  '[B1] a server that takes one connection and resets others ends in the right file',
  { timeout: testTimeoutMs },
  () =>
    onStage('several', async ({ run, server, content }) => {
      let open = 0;
      server.fallback((request, response) => {
        if (open > 0) return reset(response);
        open += 1;
        response.once('close', () => {
          open -= 1;
        });
        serve({ content, etag })(request, response);
      });
      const ending = await run({ holdUntilNotices: 1 });
      expect(ending).toMatchObject({ code: null, hasFailedAttempt: false });
      expect(ending.mostConnections).toBeGreaterThan(1);
    }),
);

const run = promisify(execFile);
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
/** In a container root may not be allowed to mount; where the suite has to be whole, that is a failure. */
const mayMount = isRoot && (process.env['CI'] === 'true' || (await canMount()));

async function canMount(): Promise<boolean> {
  const place = await createPlace();
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place.folder]);
    await run('umount', [place.folder]);
    return true;
  } catch {
    return false;
  } finally {
    await place.close();
  }
}

describe.skipIf(!mayMount).each(waysOf)('[E8] a small disk, over %s', { timeout: testTimeoutMs }, (ways) => {
  const size = ways === 'one' ? '2m' : '24m';

  async function onDisk(check: (stage: Stage, mount: string) => Promise<void>): Promise<void> {
    await onStage(ways, async (stage) => {
      const mount = join(stage.place.folder, 'disk');
      await mkdir(mount);
      await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount]);
      const paths = { partialPath: join(mount, 'blob.rbee-partial'), finalPath: join(mount, 'blob') };
      const known = { size: stage.content.length, sha256: sha256Of(stage.content), ...paths };
      try {
        await check({ ...stage, run: (change) => stage.run({ request: known, ...change }) }, mount);
      } finally {
        await run('umount', [mount]);
      }
    });
  }

  test('that fills up ends with DISK_FULL, and the partial is resumed when there is space', () =>
    onDisk(async (stage, mount) => {
      expect(await stage.run()).toMatchObject({
        code: 'DISK_FULL',
        error: { details: { free_bytes: expect.any(Number) } },
      });
      const { blocks } = await stat(join(mount, 'blob.rbee-partial'));
      expect(blocks * 512).toBeGreaterThan(MiB);
      await run('mount', ['-o', 'remount,size=100m', mount]);
      const ending = await stage.run();
      expect(ending).toMatchObject({ code: null, result: { wasted: 0 } });
      expect(ending.result?.reused).toBeGreaterThan(MiB);
    }));

  test('that becomes read-only ends with STORE_NOT_WRITABLE, and the partial is resumed when it is writable again', () =>
    onDisk(async (stage, mount) => {
      await run('mount', ['-o', 'remount,ro', mount]);
      expect(await stage.run()).toMatchObject({ code: 'STORE_NOT_WRITABLE' });
      expect(stage.server.requests).toEqual([]);
      await run('mount', ['-o', 'remount,rw,size=100m', mount]);
      expect(await stage.run()).toMatchObject({ code: null });
    }));
});
