import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Certificate,
  type FileServer,
  type FileServerName,
  findCommand,
  makeCertificate,
  startFileServer,
  type TempDir,
  tempDir,
} from '@rbee/testing';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConnectOptions, createPlace, type Ending, manySize, type Place, type Try, type Ways } from './ending.ts';
import { sha256Of } from './fixture.ts';

/*
 * Goal: what a web server of the world does, well or badly, ends in the right file or in a code of the contract.
 * Method: nginx, caddy and apache2 as processes; each test has a file of its own on them. A cell that a server has no way to
 * play is left out. Failure shows in `Place.run`, which holds every transfer to the same promise, or in what a cell adds to it.
 */
const names: readonly FileServerName[] = ['nginx', 'caddy', 'apache2'];
const isCi = process.env['CI'] === 'true';
const isMissing = (name: string) => findCommand(name) === null || findCommand('openssl') === null;

const MiB = 2 ** 20;
/** Servers label what has just been changed as not yet to be trusted, so files are older. */
const oldTime = new Date('2020-01-01T00:00:00Z');
const newerTime = new Date('2021-01-01T00:00:00Z');
const small = randomBytes(3 * MiB);
const large = randomBytes(manySize);
const testTimeoutMs = 120_000;

/** One test's file on a server, and a place to bring it to. */
interface Stage {
  readonly server: FileServer;
  readonly ways: Ways;
  readonly place: Place;
  /** What is on the server at first. */
  readonly content: Buffer;
  /** On the server's disk. */
  readonly path: string;
  readonly url: (behaviour: string) => string;
  /** Fetches from `files`, knowing what it should be. */
  run(change?: Partial<Try>): Promise<Ending>;
  /** A switch of the server for this file. */
  turn(name: 'busy' | 'throttled' | 'portal', isOn: boolean): void;
}

interface Cell {
  readonly fault: string;
  readonly on: readonly FileServerName[];
  readonly ways: readonly Ways[];
  readonly check: (stage: Stage) => Promise<void>;
  /** Of one connection; default 3 MiB. */
  readonly content?: Buffer;
  readonly connect?: () => ConnectOptions;
  /** The cell has a server of its own, which works on so many requests at once. */
  readonly requestsAtOnce?: number;
}

const both: readonly Ways[] = ['one', 'several'];
let certificate: Certificate;
let ca: Buffer;

/** Puts a file in the place of another at once, as a deployment does; the old one stays for those who have it open. */
function replace(path: string, content: Buffer): void {
  writeFileSync(`${path}.new`, content);
  utimesSync(`${path}.new`, newerTime, newerTime);
  renameSync(`${path}.new`, path);
}

const nothingKnown = { size: null, sha256: null };
const expectRight = (ending: Ending, { ways }: Stage) => {
  expect(ending).toMatchObject({ code: null });
  if (ways === 'several') expect(ending.mostConnections).toBeGreaterThan(1);
};
const codes = ({ notices }: Ending) => notices.map(({ code }) => code);
/** Stops in the middle, so that the next run has something to resume. */
const interrupt = async ({ run, ways }: Stage, change: Partial<Try> = {}) => {
  const { code } = await run({ abortAtBytes: ways === 'one' ? MiB : 12 * MiB, ...change });
  expect(code).toBe('aborted');
};

const cells: readonly Cell[] = [
  {
    fault: 'serves the file',
    on: names,
    ways: both,
    check: async (stage) => {
      const ending = await stage.run();
      expectRight(ending, stage);
      expect(ending).toMatchObject({ notices: [], hasFailedAttempt: false, result: { wasted: 0, reused: 0 } });
    },
  },
  {
    fault: 'serves the rest of it after an interruption, proven by its ETag alone',
    on: names,
    ways: both,
    check: async (stage) => {
      await interrupt(stage, { request: nothingKnown });
      const ending = await stage.run({ request: nothingKnown });
      expect(ending).toMatchObject({ code: null, hasFailedAttempt: false, result: { wasted: 0 } });
      expect(ending.result?.reused).toBeGreaterThanOrEqual(MiB);
      expect(codes(ending)).toEqual(['RESUME']);
    },
  },
  {
    fault: '[C1] has another file there after an interruption',
    on: names,
    ways: both,
    check: async (stage) => {
      await interrupt(stage, { request: nothingKnown });
      const other = randomBytes(stage.content.length);
      replace(stage.path, other);
      const ending = await stage.run({ request: nothingKnown, right: [other] });
      expect(ending).toMatchObject({ code: null, result: { reused: 0 } });
      expect(ending.result?.wasted).toBeGreaterThanOrEqual(MiB);
      expect(codes(ending)).toContain('RESTART');
    },
  },
  {
    fault: 'gets another file while it sends this one, which is open',
    on: names,
    ways: ['one'],
    check: async (stage) => {
      const ending = await stage.run({ onFirstByte: () => replace(stage.path, randomBytes(small.length)) });
      expectRight(ending, stage);
      expect(ending.notices).toEqual([]);
    },
  },
  {
    fault: '[C1] gets another file before a further connection asks for a part',
    on: names,
    ways: ['several'],
    check: async (stage) => {
      const other = randomBytes(large.length);
      const ending = await stage.run({
        request: nothingKnown,
        right: [other],
        holdUntilNotices: 1,
        onFirstByte: () => replace(stage.path, other),
      });
      expectRight(ending, stage);
      expect(codes(ending)).toContain('RESTART');
    },
  },
  {
    fault: '[C1] gets another file that is not the wanted one',
    on: names,
    ways: both,
    check: async (stage) => {
      await interrupt(stage);
      replace(stage.path, randomBytes(stage.content.length));
      expect(await stage.run()).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    },
  },
  {
    fault: '[C2] ignores Range after an interruption',
    on: names,
    ways: ['one'],
    check: async (stage) => {
      await interrupt(stage, { url: stage.url('whole') });
      const ending = await stage.run({ url: stage.url('whole') });
      expect(ending).toMatchObject({ code: null, hasFailedAttempt: false });
      expect(codes(ending)).toEqual(['RESTART']);
      expect(ending.result?.wasted).toBeGreaterThanOrEqual(MiB);
    },
  },
  {
    fault: '[C2] ignores Range',
    on: names,
    ways: ['several'],
    check: async (stage) => {
      const ending = await stage.run({ url: stage.url('whole') });
      expectRight(ending, stage);
      expect(ending).toMatchObject({ hasFailedAttempt: false, result: { wasted: 0 } });
      expect(ending.notices).toMatchObject([{ code: 'RETRY', message: expect.stringMatching(/sent all of/) }]);
    },
  },
  {
    fault: '[C3] packs what may be packed',
    on: names,
    ways: both,
    check: async (stage) => {
      const url = stage.url('packed');
      const packed = await request(url, { headers: { 'accept-encoding': 'gzip' } });
      await packed.body.dump();
      expect(packed.headers['content-encoding']).toBe('gzip');
      expectRight(await stage.run({ url, request: nothingKnown }), stage);
    },
  },
  {
    fault: 'redirects in a circle',
    on: names,
    ways: ['one'],
    check: async ({ run, url }) => {
      const ending = await run({ url: url('loop') });
      expect(ending).toMatchObject({ code: 'DOWNLOAD_FAILED', error: { message: expect.stringMatching(/redirects/) } });
    },
  },
  {
    fault: '[B1] takes one connection and answers 503 to others',
    on: ['nginx', 'caddy'],
    ways: ['several'],
    check: async (stage) => {
      const ending = await stage.run({ url: stage.url('capped') });
      expectRight(ending, stage);
      expect(ending.hasFailedAttempt).toBe(false);
      expect(ending.notices).toMatchObject([
        { code: 'RETRY', message: expect.stringMatching(/503.*continuing over 1 connection/) },
      ]);
    },
  },
  {
    fault: '[B1] takes one connection and lets others wait',
    on: ['apache2'],
    ways: ['several'],
    requestsAtOnce: 1,
    check: async (stage) => {
      const ending = await stage.run({ options: { headersTimeoutMs: 2_000 }, holdUntilNotices: 1 });
      expectRight(ending, stage);
      expect(ending.hasFailedAttempt).toBe(false);
      expect(ending.notices).toMatchObject([
        { code: 'RETRY', message: expect.stringMatching(/no headers.*continuing over 1 connection/) },
      ]);
    },
  },
  {
    fault: '[B2] answers 429 with Retry-After, and then well',
    on: names,
    ways: both,
    check: async (stage) => {
      const { ways, turn } = stage;
      if (ways === 'one') turn('throttled', true);
      const ending = await stage.run({
        // The rule of the transfer would wait for a moment; the server asks for a second.
        options: { retry: { attempts: 2, baseDelayMs: 1, maxDelayMs: 1 }, now: () => 5 },
        onFirstByte: () => turn('throttled', true),
        onNotice: () => turn('throttled', false),
        ...(ways === 'one' ? {} : { holdUntilNotices: 1 }),
      });
      expectRight(ending, stage);
      expect(codes(ending)[0]).toBe('THROTTLE');
      if (ways === 'one') expect(ending.notices[0]?.nextRetryAtMs).toBe(1_005);
      else expect(ending.hasFailedAttempt).toBe(false);
    },
  },
  ...(['busy', 'portal'] as const).flatMap((name): Cell[] => [
    {
      fault:
        name === 'busy' ? '[B1] answers 503 and then well' : '[A14] has a page to log in to before it, and then not',
      on: names,
      ways: both,
      check: async (stage) => {
        const { ways, turn } = stage;
        if (ways === 'one') turn(name, true);
        const ending = await stage.run({
          onFirstByte: () => turn(name, true),
          onNotice: () => turn(name, false),
          ...(ways === 'one' ? {} : { holdUntilNotices: 1 }),
        });
        expectRight(ending, stage);
        // The page is shorter than where the part of another connection begins.
        const ofPage = ways === 'one' ? /web page|bytes instead/ : /status 416; continuing over 1 connection/;
        const message = expect.stringMatching(name === 'busy' ? /503/ : ofPage);
        expect(ending.notices[0]).toMatchObject({ code: 'RETRY', message });
        expect(ending.hasFailedAttempt).toBe(ways === 'one');
      },
    },
    {
      fault: name === 'busy' ? '[B1] only ever answers 503' : '[A14] only ever has a page to log in to',
      on: names,
      ways: ['one'],
      check: async ({ run, turn }) => {
        turn(name, true);
        const code = name === 'busy' ? 'SOURCE_UNAVAILABLE' : 'DOWNLOAD_FAILED';
        expect(await run()).toMatchObject({ code, notices: { length: 5 } });
      },
    },
  ]),
  {
    fault: 'sends slowly, for longer than it may say nothing',
    on: ['nginx', 'apache2'],
    ways: ['one'],
    content: small.subarray(0, 1.25 * MiB),
    check: async (stage) => {
      const stallTimeoutMs = 2_000;
      const began = performance.now();
      const ending = await stage.run({ url: stage.url('slow'), options: { stallTimeoutMs } });
      expectRight(ending, stage);
      expect(ending.notices).toEqual([]);
      expect(performance.now() - began).toBeGreaterThan(stallTimeoutMs);
    },
  },
  {
    fault: 'finds its file shortened while it sends, and then whole again',
    on: names,
    ways: both,
    content: large,
    check: async (stage) => {
      const { path, content } = stage;
      const ending = await stage.run({
        ways: 'several',
        options: { maxConnections: stage.ways === 'one' ? 1 : 4 },
        holdUntilNotices: 1,
        onFirstByte: () => truncateSync(path, content.length / 2),
        onNotice: () => {
          writeFileSync(path, content);
          utimesSync(path, oldTime, oldTime);
        },
      });
      expectRight(ending, stage);
      expect(ending.notices.length).toBeGreaterThan(0);
    },
  },
  {
    fault: 'finds its file shortened while it sends, for good',
    on: names,
    ways: both,
    content: large,
    check: async (stage) => {
      const ending = await stage.run({
        ways: 'several',
        options: { maxConnections: stage.ways === 'one' ? 1 : 4 },
        onFirstByte: () => truncateSync(stage.path, stage.content.length / 2),
      });
      expect(ending).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    },
  },
  {
    fault: '[D2] has a certificate that nobody trusts',
    on: names,
    ways: ['one'],
    check: async ({ server, run }) => {
      const ending = await run({ url: `${server.tlsUrl}/files/none.bin` });
      expect(ending).toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        error: { details: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, hint: expect.stringMatching(/NODE_EXTRA_CA_CERTS/) },
      });
    },
  },
  ...[false, true].map((allowH2): Cell => {
    return {
      fault: `has a certificate that the agent trusts, and HTTP/2 that it ${allowH2 ? 'takes' : 'declines'}`,
      on: names,
      ways: both,
      connect: () => ({ allowH2, ca }),
      check: async (stage) => {
        const url = stage.url('files').replace(stage.server.url, stage.server.tlsUrl);
        const ending = await stage.run({ url });
        expectRight(ending, stage);
        expect(ending).toMatchObject({ hasFailedAttempt: false, result: { wasted: 0 } });
      },
    };
  }),
];

let folder: TempDir;
beforeAll(async () => {
  folder = await tempDir();
  // A server that was started by root may give up its rights.
  await chmod(folder.path, 0o755);
  if (!isMissing('nginx') || isCi) {
    certificate = await makeCertificate(folder.path);
    ca = await readFile(certificate.certificateFile);
  }
});
afterAll(() => folder.remove());

describe.skipIf(!isCi && names.every(isMissing)).each(names)('%s', (name) => {
  describe.skipIf(!isCi && isMissing(name)).concurrent('as a process', () => {
    let server: FileServer;
    beforeAll(async () => {
      server = await startFileServer(name, { folder: join(folder.path, name), certificate });
    });
    afterAll(() => server.stop());

    for (const [at, cell] of cells.entries()) {
      if (!cell.on.includes(name)) continue;
      for (const ways of cell.ways) {
        const title = `${name} ${cell.fault}, over ${ways === 'one' ? 'one connection' : 'several connections'}`;
        const file = `file-${at}-${ways}.bin`;
        test(title, { timeout: testTimeoutMs }, async () => {
          const { requestsAtOnce } = cell;
          if (requestsAtOnce === undefined) return await play(server, cell, ways, file);
          const own = await startFileServer(name, { folder: join(folder.path, file), certificate, requestsAtOnce });
          await play(own, cell, ways, file).finally(() => own.stop());
        });
      }
    }
  });
});

async function play(server: FileServer, cell: Cell, ways: Ways, file: string): Promise<void> {
  const content = cell.content ?? (ways === 'one' ? small : large);
  const path = join(server.root, file);
  writeFileSync(path, content);
  utimesSync(path, oldTime, oldTime);
  const place = await createPlace(cell.connect?.());
  const url = (behaviour: string) => `${server.url}/${behaviour}/${file}`;
  const known = { size: content.length, sha256: sha256Of(content) };
  try {
    await cell.check({
      server,
      ways,
      place,
      content,
      path,
      url,
      run: (change) => place.run({ url: url('files'), right: [content], ways, request: known, ...change }),
      turn: (name, isOn) => (isOn ? writeFileSync(`${path}.${name}`, '') : rmSync(`${path}.${name}`, { force: true })),
    });
  } finally {
    await place.close();
    rmSync(path, { force: true });
  }
}
