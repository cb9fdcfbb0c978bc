import { nextPageOf } from '@rbee/hub-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import type { AddedRepo } from '../../src/hub/repo-store.ts';
import { get } from '../http-get.ts';

const ID = 'acme/shards';
const shardNames = Array.from({ length: 7 }, (_, index) => `q4/deep/model-0000${index + 1}-of-00007.gguf`);

let hub: TestHub;
let added: AddedRepo;

beforeAll(async () => {
  hub = await startHub({ treePageSize: 4 });
  const shards = Object.fromEntries(shardNames.map((name, seed) => [name, { size: 1000 + seed, seed }]));
  added = hub.addRepo({ id: ID, files: { 'config.json': Buffer.from('{}'), ...shards } });
});
afterAll(() => hub.close());

interface Entry {
  readonly type: string;
  readonly path: string;
}

async function page(url: string): Promise<{ entries: Entry[]; next: string | null }> {
  const answer = await get(url);
  expect(answer.status).toBe(200);
  const link = /<([^>]+)>; (?:title="page, next"; )?rel="next"$/.exec(answer.headers.link?.toString() ?? '');
  return { entries: JSON.parse(answer.body.toString()), next: link?.[1] ?? null };
}

async function pages(url: string): Promise<Entry[][]> {
  const found: Entry[][] = [];
  for (let next: string | null = url; next !== null; ) {
    const current = await page(next);
    found.push(current.entries);
    next = current.next;
  }
  return found;
}

it('[A1] describes a model with its files, and their digests when asked', async () => {
  const answer = await get(`${hub.url}/api/models/${ID}`);
  const info = JSON.parse(answer.body.toString());
  expect(info).toMatchObject({ id: ID, sha: added.commit, private: false, gated: false });
  expect(info.siblings).toEqual(['config.json', ...shardNames].map((rfilename) => ({ rfilename })));
  const full = JSON.parse(
    (await get(`${hub.url}/api/models/${ID}/revision/${added.commit}?blobs=true`)).body.toString(),
  );
  const [config, shard] = added.files;
  expect(full.siblings[0]).toEqual({ rfilename: 'config.json', size: 2, blobId: config?.gitSha1 });
  expect(full.siblings[1].lfs).toEqual({ sha256: shard?.sha256, size: 1000, pointerSize: 129 });
});

it('[A1] lists a tree in pages, each of which links to the next', async () => {
  const found = await pages(`${hub.url}/api/models/${ID}/tree/${added.commit}?recursive=true`);
  expect(found.map((entries) => entries.length)).toEqual([4, 4, 2]);
  const entries = found.flat();
  expect(entries.filter((entry) => entry.type === 'directory').map((entry) => entry.path)).toEqual(['q4', 'q4/deep']);
  expect(entries.filter((entry) => entry.type === 'file').map((entry) => entry.path)).toEqual([
    'config.json',
    ...shardNames,
  ]);
});

it('keeps to a smaller page that the client asks for', async () => {
  const found = await pages(`${hub.url}/api/models/${ID}/tree/main?recursive=true&limit=3`);
  expect(found.map((entries) => entries.length)).toEqual([3, 3, 3, 1]);
});

it('[A1] tells of each file what git and LFS know', async () => {
  const { entries } = await page(`${hub.url}/api/models/${ID}/tree/main?recursive=true`);
  const [config, shard] = added.files;
  expect(entries.at(0)).toEqual({ type: 'file', oid: config?.gitSha1, size: 2, path: 'config.json' });
  expect(entries.at(3)).toEqual({
    type: 'file',
    oid: expect.stringMatching(/^[0-9a-f]{40}$/),
    size: 1000,
    lfs: { oid: shard?.sha256, size: 1000, pointerSize: 129 },
    xetHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    path: shardNames[0],
  });
});

it('[A1] lists one folder alone unless the request is recursive', async () => {
  const paths = async (url: string): Promise<string[]> => (await pages(url)).flat().map((entry) => entry.path);
  expect(await paths(`${hub.url}/api/models/${ID}/tree/main`)).toEqual(['config.json', 'q4']);
  expect(await paths(`${hub.url}/api/models/${ID}/tree/main/q4`)).toEqual(['q4/deep']);
  expect(await paths(`${hub.url}/api/models/${ID}/tree/main/q4/deep`)).toEqual(shardNames);
  expect((await get(`${hub.url}/api/models/${ID}/tree/main/none`)).headers['x-error-code']).toBe('EntryNotFound');
});

it.each(['limit=0', 'limit=x', 'cursor=bm9uc2Vuc2U='])('refuses %s', async (query) => {
  expect((await get(`${hub.url}/api/models/${ID}/tree/main?${query}`)).status).toBe(400);
});

it('[A1] says what is known of named paths, to a POST', async () => {
  const ask = async (body: unknown) => {
    const url = `${hub.url}/api/models/${ID}/paths-info/main`;
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    return (await answer.json()) as Record<string, unknown>[];
  };
  const [config, shard] = added.files;
  const paths = ['config.json', shardNames[0], 'not/there'];
  expect(await ask({ paths })).toEqual([
    { type: 'file', path: 'config.json', oid: config?.gitSha1, size: 2 },
    expect.objectContaining({ path: shardNames[0], lfs: expect.objectContaining({ oid: shard?.sha256 }) }),
  ]);
  expect(await ask({ paths: ['config.json'], expand: true })).toMatchObject([{ lastCommit: { id: added.commit } }]);
});

it('[A1] answers what the clients of Python and JavaScript send', async () => {
  const url = `${hub.url}/api/models/${ID}`;
  const form = new URLSearchParams([
    ['paths', 'config.json'],
    ['paths', 'q4'],
    ['expand', 'False'],
  ]);
  const rows = (await (await fetch(`${url}/paths-info/main`, { method: 'POST', body: form })).json()) as Entry[];
  expect(rows.map(({ type, path }) => [type, path])).toEqual([
    ['file', 'config.json'],
    ['directory', 'q4'],
  ]);
  const tree = async (query: string) => JSON.parse((await get(`${url}/tree/main?${query}`)).body.toString());
  expect(await tree('recursive=True&expand=False')).toHaveLength(4);
  expect((await tree('expand=true'))[0]).toMatchObject({
    lastCommit: { id: added.commit },
    securityFileStatus: { pickleImportScan: {} },
  });
  const wanted = JSON.parse((await get(`${url}/revision/HEAD?expand=sha&expand=gated`)).body.toString());
  expect(wanted).toEqual({ _id: expect.any(String), id: ID, sha: added.commit, gated: false });
  const refs = JSON.parse((await get(`${url}/refs`)).body.toString());
  expect(refs.branches).toEqual([{ name: 'main', ref: 'refs/heads/main', targetCommit: added.commit }]);
});

it.each(['joined', 'repeated', 'parameter_first'] as const)(
  '[A1] names the next page in another form: %s',
  async (links) => {
    const other = await startHub({ treePageSize: 1, shape: { links } });
    try {
      other.addRepo({ id: ID, files: { 'a.json': Buffer.from('1'), 'b.json': Buffer.from('2') } });
      const first = await get(`${other.url}/api/models/${ID}/tree/main`);
      expect(nextPageOf(first.headers['link'])).toMatch(/cursor=/);
      expect(/^<[^>]+>; rel="next"$/.test(String(first.headers['link']))).toBe(false);
    } finally {
      await other.close();
    }
  },
);

it('[A1] of a mirror has no tree, folders without ids, or a next page at another origin', async () => {
  const other = await startHub({
    treePageSize: 1,
    shape: { folders: 'without_oid', nextPageOrigin: 'https://hub.example' },
  });
  const bare = await startHub({ shape: { tree: 'none' } });
  try {
    const files = { 'a/b.json': Buffer.from('1') };
    other.addRepo({ id: ID, files });
    bare.addRepo({ id: ID, files });
    const first = await get(`${other.url}/api/models/${ID}/tree/main?recursive=true`);
    expect(JSON.parse(first.body.toString())).toEqual([{ type: 'directory', size: 0, path: 'a' }]);
    expect(nextPageOf(first.headers['link'])).toMatch(/^https:\/\/hub\.example\/api\/models\//);
    const missing = await get(`${bare.url}/api/models/${ID}/tree/main`);
    expect([missing.status, missing.headers['x-error-code']]).toEqual([404, undefined]);
  } finally {
    await Promise.all([other.close(), bare.close()]);
  }
});
