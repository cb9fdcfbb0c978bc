import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startHub, type TestHub } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { openSource, type TestSource } from './support.ts';

const COMMIT = 'c'.repeat(40);
const GGUF = { size: 9, seed: 1 };

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

function openAt(url: string): TestSource {
  const source = openSource(url);
  open.push(source);
  return source;
}

/** A hub whose list of files a test writes; counts the requests for it. */
async function listServer(page: (response: ServerResponse, index: number) => void) {
  let asked = 0;
  const server = createServer((_, response) => page(response, asked++));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { source: openAt(url), asked: () => asked };
}

const row = (index: number, padding = '') =>
  JSON.stringify({ type: 'file', path: `f${index}${padding}.json`, oid: COMMIT, size: 1 });
const rows = (count: number, from = 0) => Array.from({ length: count }, (_, index) => row(from + index));
const next = (index: number) => ({ Link: `</api/models/org/model/tree/x?cursor=${index}>; rel="next"` });
const REF = `hf:org/model@${COMMIT}`;

describe('a list of files without end', () => {
  it('[A8] of many entries on many pages ends with one clear error', async () => {
    const { source, asked } = await listServer((response, index) => {
      response.writeHead(200, next(index)).end(`[${rows(30_000, index * 30_000).join(',')}]`);
    });
    await expect(source.resolve(REF)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      retryable: false,
      hint: /::file=/,
    });
    expect(asked()).toBe(4);
  });

  it('[A8] on one page that never ends is left as soon as it has too many entries', async () => {
    const { source } = await listServer((response) => {
      response.write('[');
      let from = 0;
      const more = () => {
        while (!response.destroyed && response.write(`${rows(1_000, from).join(',')},`)) from += 1_000;
        from += 1_000;
      };
      response.on('drain', more);
      more();
    });
    await expect(source.resolve(REF)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: /more than 100000 entries/,
    });
  });

  it('[A8] of few entries and many bytes ends too', async () => {
    const long = `[${Array.from({ length: 80 }, (_, index) => row(index, 'x'.repeat(60_000))).join(',')}]`;
    const { source, asked } = await listServer((response, index) => response.writeHead(200, next(index)).end(long));
    await expect(source.resolve(REF)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', retryable: false });
    expect(asked()).toBeLessThan(20);
  });

  it.each(['without a size', 'with too large a size'])(
    '[A8] that comes with the version, %s, ends with one clear error',
    async (kind) => {
      const { source, asked } = await listServer((response) => {
        if (kind !== 'without a size') response.writeHead(200, { 'content-length': 1_000_000_000 });
        response.write(`{"sha":"${COMMIT}","siblings":[{"rfilename":"f"}`);
        const names = ',{"rfilename":"another"}'.repeat(10_000);
        const more = () => {
          while (!response.destroyed && response.write(names));
        };
        response.on('drain', more);
        more();
      });
      await expect(source.resolve('hf:org/model')).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        retryable: false,
        message: expect.stringMatching(/is larger than 16\.8 MB/),
        hint: expect.stringMatching(/::file=/),
      });
      expect(asked()).toBe(1);
    },
  );

  it('[A8] of one entry larger than any row is no list of a hub', async () => {
    const { source } = await listServer((response) => response.end(`[${row(1, 'x'.repeat(1_000_000))}]`));
    await expect(source.resolve(REF)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('[A8] of pages that lead to each other is left', async () => {
    const { source, asked } = await listServer((response, index) => {
      response.writeHead(200, next(index % 2)).end(`[${row(index)}]`);
    });
    await expect(source.resolve(REF)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: /leads back/ });
    expect(asked()).toBeLessThan(5);
  });

  it('[A8] of folders alone counts as well', async () => {
    const folder = JSON.stringify({ type: 'directory', path: 'x', size: 0 });
    const { source } = await listServer((response, index) => {
      response.writeHead(200, next(index)).end(`[${Array.from({ length: 60_000 }, () => folder).join(',')}]`);
    });
    await expect(source.resolve(REF)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('[A8] leaves the event loop free while a page of 90,000 entries is read', async () => {
    const page = `[${rows(90_000).join(',')}]`;
    const { source } = await listServer((response) => response.end(page));
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    count();
    const model = await source.resolve(`${REF}::include=f1.json`);
    isDone = true;
    expect(model.files).toHaveLength(1);
    expect(turns).toBeGreaterThan(50);
  });

  it.each(['{}', '"x"', '[1', '[{"type":"file"}]', '', 'null', '[{}]x', '[[1,]]', '<html></html>'])(
    '[A8] that is %j is no list of a hub',
    async (text) => {
      const { source } = await listServer((response) => response.end(text));
      await expect(source.resolve(REF)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    },
  );
});

describe('an odd name in a repo', () => {
  const ODD = [
    'a\\b.png',
    'zero\u200bwidth.png',
    'نمی\u200cخواهم.png',
    '👩\u200d💻.md',
    'x\u202ey.txt',
    `${'n'.repeat(256)}.md`,
  ];

  async function openHub(odd: string): Promise<TestHub> {
    const hub = await startHub();
    open.push(hub);
    hub.addRepo({ id: 'org/model', files: { 'm.gguf': GGUF, [odd]: Buffer.from('x') } });
    hub.addRepo({ id: 'org/plain', files: { 'a.json': Buffer.from('{}'), [odd]: Buffer.from('x') } });
    return hub;
  }

  it.each(ODD)('[A13] that is not chosen is left out, and told: %j', async (odd) => {
    const source = openAt((await openHub(odd)).url);
    for (const ref of ['hf:org/model', 'hf:org/model::include=*.gguf', 'hf:org/plain']) {
      const model = await source.resolve(ref);
      expect(model.files).toHaveLength(1);
      expect(model.leftOut).toMatch(/^Left out, because the name cannot be stored/);
      expect(model.leftOut).not.toMatch(/\p{Cf}/u);
    }
  });

  it.each(ODD)('[A13] that is chosen is one error that names it and the way round: %j', async (odd) => {
    const source = openAt((await openHub(odd)).url);
    const error = await source.resolve('hf:org/model::include=*').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', retryable: false, message: /cannot be stored/ });
    const glob = /::exclude=.*$/.exec((error as { hint: string }).hint)?.[0] ?? '';
    expect((await source.resolve(`hf:org/model::include=*${glob}`)).files).toHaveLength(1);
  });

  it.each(['rain....png', 'a..b.gguf', '..hidden', 'wait…what.txt'])(
    '[A13] with dots inside is no odd name: %s',
    async (name) => {
      const source = openAt((await openHub(name)).url);
      const model = await source.resolve('hf:org/model::include=*');
      expect(model.files.map(({ path }) => path)).toContain(name);
      expect(model.leftOut).toBeUndefined();
      expect((await source.resolve(`hf:org/model::file=${name}`)).files).toHaveLength(1);
    },
  );

  it.each(['../up.gguf', 'a/../../b.gguf', '/etc/passwd', 'C:/x.gguf', 'a//b.gguf', '..'])(
    '[A13] that leaves the repo is never stored: %s',
    async (path) => {
      const entry = JSON.stringify({ type: 'file', path, oid: COMMIT, size: 1 });
      const { source } = await listServer((response) => response.end(`[${entry},${row(1)}]`));
      expect((await source.resolve(`${REF}::include=f1.json`)).files).toHaveLength(1);
      const refused = source.resolve(`${REF}::include=*`);
      await expect(refused).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', message: /cannot be stored/ });
    },
  );
});

describe('a row of a list of files', () => {
  const weights = { type: 'file', path: 'm.gguf', oid: COMMIT, size: 9 };
  const large = { ...weights, size: 134, lfs: { oid: 'ab'.repeat(32), size: 9, pointerSize: 134 } };
  const capitals = { ...large, oid: COMMIT.toUpperCase(), lfs: { ...large.lfs, oid: 'AB'.repeat(32) } };
  const digest = 'ab'.repeat(32);
  it.each<[string, unknown, Record<string, unknown>]>([
    ['null for what is no LFS file', { ...weights, lfs: null }, { size: 9, sha256: null, gitSha1: COMMIT }],
    ['digests in capitals', capitals, { size: 9, sha256: digest, gitSha1: null }],
    ['no id of git beside the digest', { ...large, oid: null }, { size: 9, sha256: digest, gitSha1: null }],
    ['no size beside that of the content', { ...large, size: null }, { size: 9, sha256: digest, gitSha1: null }],
  ])('[A6] may have %s', async (_, content, expected) => {
    const { source } = await listServer((response) => response.end(JSON.stringify([content])));
    expect((await source.resolve(`${REF}::include=*`)).files).toMatchObject([{ path: 'm.gguf', ...expected }]);
  });

  it('[A6] may lack its size and its ids, which then come with the file', async () => {
    const { type, path } = weights;
    const { source } = await listServer((response) => {
      if (response.req.url?.includes('/resolve/') !== true) return void response.end(JSON.stringify([{ type, path }]));
      response.writeHead(200, { 'content-length': 9, etag: `"${digest}"`, 'x-repo-commit': COMMIT }).end();
    });
    expect((await source.resolve(`${REF}::include=*`)).files).toMatchObject([{ path: 'm.gguf', size: 9 }]);
  });
});
