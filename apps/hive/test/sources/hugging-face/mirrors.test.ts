import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HubOptions, startHub, type TestHub } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { fixedToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { openSource, type TestSource } from './support.ts';

const TOKEN = 'hf_the_token';
const CONFIG = Buffer.from('{"a":1}\n');
const FILES = {
  'a.json': CONFIG,
  'm-Q4_K_M.gguf': { size: 50_000, seed: 1 },
  'm-Q8_0.gguf': { size: 90_000, seed: 2 },
  'sub folder/é ü.json': Buffer.from('[]'),
  'sub folder/z.json': Buffer.from('[1]'),
};
const ALL = Object.keys(FILES).sort();

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

async function openHub(options: HubOptions = {}): Promise<TestHub> {
  const hub = await startHub({ tokens: { [TOKEN]: { user: 'reader', repos: [] } }, ...options });
  open.push(hub);
  hub.addRepo({ id: 'org/model', files: FILES });
  return hub;
}

function openAt(endpoint: string): TestSource {
  const source = openSource(endpoint, fixedToken(TOKEN));
  open.push(source);
  return source;
}

const pathsOf = (model: { files: readonly { path: string }[] }) => model.files.map(({ path }) => path).sort();

describe('a named small file', () => {
  it.each<[string, HubOptions['shape'], number | null]>([
    ['a redirect that names its ETag', { smallFiles: 'linked' }, CONFIG.length],
    ['a redirect that names nothing', { smallFiles: 'bare' }, CONFIG.length],
    ['200 with the file', { smallFiles: 'direct' }, CONFIG.length],
    ['a redirect, then no length', { smallFiles: 'linked', heads: 'no_length' }, null],
    ['a redirect, then a length of 0', { smallFiles: 'linked', heads: 'zero' }, null],
    ['a bare redirect, then a length of 0', { smallFiles: 'bare', heads: 'zero' }, null],
    ['200 without a length', { smallFiles: 'direct', heads: 'no_length' }, null],
    ['200 with a length of 0', { smallFiles: 'direct', heads: 'zero' }, null],
    ['a redirect below a prefix', { smallFiles: 'linked', prefix: '/hf' }, CONFIG.length],
  ])('[A2] has the size of the file and not of a redirect: %s', async (_, shape, size) => {
    const hub = await openHub({ shape: shape ?? {} });
    const source = openAt(hub.url + (shape?.prefix ?? ''));
    const [file] = (await source.resolve('hf:org/model::file=a.json')).files;
    expect(file).toMatchObject({ size, gitSha1: expect.stringMatching(/^[0-9a-f]{40}$/) });
    expect(await source.bytesOf(file)).toEqual(CONFIG);
  });

  it.each([
    ['does not answer', { kind: 'no_headers' }],
    ['cuts', { kind: 'drop' }],
  ] as const)('[C4] is asked for with GET where the hub %s a HEAD', async (_, fault) => {
    const hub = await openHub();
    const source = openSource(hub.url, fixedToken(TOKEN), 1_000);
    open.push(source);
    hub.fault({ server: 'hub', method: 'HEAD', times: 100, ...fault });
    const { files, commit } = await source.resolve('hf:org/model::file=m-Q4_K_M.gguf');
    expect(files[0]).toMatchObject({ size: 50_000, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(commit).toMatch(/^[0-9a-f]{40}$/);
    expect(hub.requests.map(({ method, range }) => `${method} ${range ?? ''}`)).toEqual(['HEAD ', 'GET bytes=0-0']);
  });

  it('[C4] at a hub that answers neither HEAD nor GET is a timeout, after one of each', async () => {
    const hub = await openHub();
    const source = openSource(hub.url, fixedToken(TOKEN), 500);
    open.push(source);
    hub.fault({ server: 'hub', method: 'HEAD', kind: 'no_headers', times: 100 });
    hub.fault({ server: 'hub', method: 'GET', kind: 'no_headers', times: 100 });
    await expect(source.resolve('hf:org/model::file=a.json')).rejects.toMatchObject({ code: 'DOWNLOAD_TIMEOUT' });
    expect(hub.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it.each([404, 405, 500, 501, 400, 403])(
    '[A6] is asked for with GET where HEAD is answered with %i',
    async (heads) => {
      const hub = await openHub({ shape: { heads } });
      const source = openAt(hub.url);
      const model = await source.resolve('hf:org/model::file=a.json::file=m-Q8_0.gguf');
      expect(model.files.map(({ size }) => size)).toEqual([CONFIG.length, 90_000]);
      expect(await source.bytesOf(model.files[0])).toEqual(CONFIG);
    },
  );
});

describe('a list in pages', () => {
  const modes = ['alone', 'joined', 'repeated', 'parameter_first', 'bare', 'relative', 'upper', 'several'] as const;

  it.each(modes)('[A4] is read to its end, with a Link header of the sort %s', async (links) => {
    const hub = await openHub({ treePageSize: 2, shape: { links } });
    const model = await openAt(hub.url).resolve('hf:org/model::include=*');
    expect(pathsOf(model)).toEqual(ALL);
    expect(hub.requests.filter(({ url }) => url.includes('/tree/')).length).toBeGreaterThan(2);
  });

  it('[A4] that lost its Link header on the way is filled up with the names of the version', async () => {
    const hub = await openHub({ treePageSize: 2, shape: { links: 'lost' } });
    const source = openAt(hub.url);
    const model = await source.resolve('hf:org/model::include=*');
    expect(pathsOf(model)).toEqual(ALL);
    expect(model.files.every(({ size }) => size !== null)).toBe(true);
  });

  it('[A4] of a commit that has fewer rows than it says is filled up too', async () => {
    const hub = await openHub({ treePageSize: 2, shape: { links: 'lost', totals: true } });
    const { commit } = await openAt(hub.url).resolve('hf:org/model::file=a.json');
    const model = await openAt(hub.url).resolve(`hf:org/model@${commit}::include=*`);
    expect(pathsOf(model)).toEqual(ALL);
  });

  it.each<[string, HubOptions]>([
    ['the hub that it mirrors', { shape: { nextPageOrigin: 'https://huggingface.co' } }],
    ['an origin that nobody reaches', { shape: { nextPageOrigin: 'http://192.0.2.1:9' } }],
    [
      'another origin, in one of two Link headers',
      { shape: { nextPageOrigin: 'https://huggingface.co', links: 'repeated' } },
    ],
    ['another origin, below a prefix', { shape: { nextPageOrigin: 'https://huggingface.co', prefix: '/hf' } }],
  ])('[A5] whose next page is said to be at %s is asked of the own endpoint', async (_, options) => {
    const hub = await openHub({ treePageSize: 2, ...options });
    const source = openAt(hub.url + (options.shape?.prefix ?? ''));
    expect(pathsOf(await source.resolve('hf:org/model::include=*'))).toEqual(ALL);
  });
});

describe('a mirror that redirects', () => {
  it.each(['files', 'api', 'both'] as const)('[A5] %s to its hub is followed there without the token', async (what) => {
    const hub = await openHub({ treePageSize: 2, tokens: {} });
    const mirror = await openHub({ shape: { mirrors: { origin: hub.url, what } } });
    const source = openAt(mirror.url);
    const named = await source.resolve('hf:org/model::file=a.json::file=m-Q8_0.gguf');
    expect(named.files.map(({ size }) => size)).toEqual([CONFIG.length, 90_000]);
    for (const file of named.files) expect((await source.bytesOf(file)).length).toBe(file.size);
    const chosen = await source.resolve('hf:org/model::include=*');
    expect(pathsOf(chosen)).toEqual(ALL);
    for (const file of chosen.files) expect((await source.bytesOf(file)).length).toBe(file.size);
    expect(hub.requests.length).toBeGreaterThan(0);
    expect(hub.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  it('[A5] to a store that knows nothing of hubs has a file named by its version, whose ETag is no digest', async () => {
    const etag = `"${'ab'.repeat(32)}"`;
    const store = createServer((_, response) =>
      response.writeHead(200, { ETag: etag, 'Content-Length': '3' }).end('abc'),
    );
    const mirror = createServer((_, response) => {
      const location = `http://127.0.0.1:${(store.address() as AddressInfo).port}/x`;
      response.writeHead(302, { Location: location, 'X-Repo-Commit': 'c'.repeat(40) }).end();
    });
    for (const server of [store, mirror]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      open.push({ close: async () => server.close() });
    }
    const source = openAt(`http://127.0.0.1:${(mirror.address() as AddressInfo).port}`);
    const [file] = (await source.resolve('hf:org/model::file=x.bin')).files;
    expect(file).toMatchObject({ blobName: expect.stringMatching(/^version-/), sha256: null, gitSha1: null, size: 3 });
  });
});

describe('a mirror without /tree', () => {
  it.each<[string, string, string[]]>([
    ['a quantisation', 'hf:org/model:Q4_K_M', ['m-Q4_K_M.gguf']],
    ['globs', 'hf:org/model::include=*.json', ALL.filter((path) => path.endsWith('.json'))],
    ['nothing', 'hf:org/model', ['m-Q4_K_M.gguf']],
  ])('[A6] has its files from /revision, and the sizes of those chosen: %s', async (_, ref, paths) => {
    const hub = await openHub({ shape: { tree: 'none' } });
    const source = openAt(hub.url);
    const model = await source.resolve(ref);
    expect(pathsOf(model)).toEqual(paths);
    for (const file of model.files) expect((await source.bytesOf(file)).length).toBe(file.size);
  });

  it('[A6] is asked for a commit too', async () => {
    const hub = await openHub({ shape: { tree: 'none' } });
    const { commit } = await openAt(hub.url).resolve('hf:org/model');
    expect(pathsOf(await openAt(hub.url).resolve(`hf:org/model@${commit}:Q8_0`))).toEqual(['m-Q8_0.gguf']);
  });

  it('[A6] answers a HEAD with 0: the size is unknown, the file is there', async () => {
    const hub = await openHub({ shape: { tree: 'none', heads: 'zero', smallFiles: 'direct' } });
    const [file] = (await openAt(hub.url).resolve('hf:org/model::include=a.json')).files;
    expect(file).toMatchObject({ path: 'a.json', size: null });
  });

  it.each([404, 405, 501])('[A6] may say so with %i', async (status) => {
    const hub = await openHub();
    hub.fault({ kind: 'status', server: 'hub', path: '/tree/', status });
    expect(pathsOf(await openAt(hub.url).resolve('hf:org/model:Q8_0'))).toEqual(['m-Q8_0.gguf']);
  });

  it('[A6] too large to take whole is refused, once its sizes are known', async () => {
    const hub = await openHub({ shape: { tree: 'none' } });
    hub.addRepo({ id: 'org/data', files: { 'a.dat': { size: 1_200_000_000, seed: 1, hasMadeUpDigests: true } } });
    await expect(openAt(hub.url).resolve('hf:org/data')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      hint: /a\.dat/,
    });
  });
});

it('[A6] folders without an object id are no reason to doubt the hub', async () => {
  const hub = await openHub({ shape: { folders: 'without_oid' } });
  expect(pathsOf(await openAt(hub.url).resolve('hf:org/model::include=*'))).toEqual(ALL);
});

it.each([
  ['a large file', 'sub folder/é مدل.gguf'],
  ['a small one', 'sub folder/é مدل.json'],
])('[A7] a Location in raw UTF-8 leads to %s', async (_, path) => {
  const hub = await openHub({ shape: { locations: 'utf8' } });
  hub.addRepo({ id: 'org/names', files: { [path]: CONFIG } });
  const source = openAt(hub.url);
  for (const ref of [`hf:org/names::file=${path}`, 'hf:org/names::include=*']) {
    const [file] = (await source.resolve(ref)).files;
    expect(await source.bytesOf(file)).toEqual(CONFIG);
  }
});

it('[A12] a repo without an organisation is found, where it was renamed too', async () => {
  const hub = await openHub();
  const { commit } = hub.addRepo({ id: 'openai-community/gpt2', files: FILES, renamedFrom: ['gpt2'] });
  hub.addRepo({ id: 'bert', files: FILES });
  const source = openAt(hub.url);
  for (const ref of ['hf:gpt2::file=a.json', 'hf:gpt2:Q8_0', 'hf:gpt2::include=*']) {
    const model = await source.resolve(ref);
    expect(model).toMatchObject({ place: 'hf:gpt2', title: 'gpt2', commit });
    for (const file of model.files) expect((await source.bytesOf(file)).length).toBe(file.size);
  }
  expect(pathsOf(await source.resolve('hf:bert:Q4_K_M'))).toEqual(['m-Q4_K_M.gguf']);
});
