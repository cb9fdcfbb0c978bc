import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateBytes } from '../../src/hub/content.ts';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import type { RepoFile } from '../../src/hub/repo.ts';
import type { AddedRepo } from '../../src/hub/repo-store.ts';
import type { HubShape } from '../../src/hub/shape.ts';
import { get, head } from '../http-get.ts';

const ID = 'acme/tiny';
const WEIGHTS = { size: 700_001, seed: 4 };
const CONFIG = Buffer.from('{"model_type":"llama"}\n');
const TAG_COMMIT = 'a'.repeat(40);

let hub: TestHub;
let added: AddedRepo;

beforeEach(async () => {
  hub = await startHub();
  added = hub.addRepo({
    id: ID,
    files: { 'sub dir/w.gguf': WEIGHTS, 'config.json': CONFIG },
    revisions: { 'v1.0': TAG_COMMIT, 'refs/pr/1': TAG_COMMIT },
  });
});
afterEach(() => hub.close());

function fileOf(path: string): RepoFile {
  const file = added.files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new Error(`no ${path}`);
  return file;
}

describe('an LFS file', () => {
  it.each(['GET', 'HEAD'])(
    '[A1] is redirected to the other origin, with all that is known of it (%s)',
    async (method) => {
      const url = hub.resolveUrl(ID, 'sub dir/w.gguf');
      const { status, headers, body } = method === 'GET' ? await get(url) : await head(url);
      const file = fileOf('sub dir/w.gguf');
      expect(status).toBe(302);
      expect(headers['x-linked-etag']).toBe(`"${file.sha256}"`);
      expect(headers['x-linked-size']).toBe(String(WEIGHTS.size));
      expect(headers['x-repo-commit']).toBe(added.commit);
      expect(headers['accept-ranges']).toBe('bytes');
      expect(headers['access-control-expose-headers']).toContain('X-Linked-ETag');
      expect(headers.etag).toMatch(/^"[0-9a-f]{40}"$/);
      expect(headers.etag).not.toBe(`"${file.gitSha1}"`);
      const location = new URL(headers.location ?? '');
      expect(location.origin).toBe(hub.cdnUrl);
      expect(location.origin).not.toBe(hub.url);
      expect([...location.searchParams.keys()]).toEqual([
        'response-content-disposition',
        'Expires',
        'Signature',
        'Key-Pair-Id',
      ]);
      expect(headers['x-xet-hash']).toMatch(/^[0-9a-f]{64}$/);
      expect(headers['x-xet-hash']).not.toBe(file.sha256);
      expect(headers.link).toContain('rel="xet-auth"');
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['content-length']).not.toBe(String(WEIGHTS.size));
      expect(body.length > 0).toBe(method === 'GET');
    },
  );

  it('comes from the address of the redirect, byte for byte', async () => {
    const { headers } = await get(hub.resolveUrl(ID, 'sub dir/w.gguf'));
    const answer = await get(headers.location ?? '');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-length']).toBe(String(WEIGHTS.size));
    expect(answer.headers.etag).toBe(fileOf('sub dir/w.gguf').finalEtag);
    expect(answer.headers['last-modified']).toMatch(/GMT$/);
    expect(answer.headers['content-disposition']).toContain('filename="w.gguf"');
    expect(answer.body.equals(generateBytes(WEIGHTS))).toBe(true);
    expect(createHash('sha256').update(answer.body).digest('hex')).toBe(fileOf('sub dir/w.gguf').sha256);
  });

  it('comes in ranges', async () => {
    const url = hub.signedUrl(ID, 'sub dir/w.gguf');
    const part = await get(url, { range: 'bytes=4097-9000' });
    expect(part.status).toBe(206);
    expect(part.headers['content-range']).toBe(`bytes 4097-9000/${WEIGHTS.size}`);
    expect(part.headers['content-length']).toBe('4904');
    expect(part.body.equals(generateBytes(WEIGHTS, 4097, 9001))).toBe(true);
    const rest = await get(url, { range: `bytes=${WEIGHTS.size - 10}-` });
    expect(rest.body.equals(generateBytes(WEIGHTS, WEIGHTS.size - 10))).toBe(true);
    const beyond = await get(url, { range: `bytes=${WEIGHTS.size}-` });
    expect(beyond.status).toBe(416);
    expect(beyond.headers['content-range']).toBe(`bytes */${WEIGHTS.size}`);
  });

  it('comes whole where If-Range names another version', async () => {
    const url = hub.signedUrl(ID, 'sub dir/w.gguf');
    const { finalEtag } = fileOf('sub dir/w.gguf');
    expect((await get(url, { range: 'bytes=5-', 'if-range': finalEtag })).status).toBe(206);
    expect((await get(url, { range: 'bytes=5-', 'if-range': `W/${finalEtag}` })).status).toBe(200);
    const other = await get(url, { range: 'bytes=5-', 'if-range': '"other"' });
    expect(other.status).toBe(200);
    expect(other.body.length).toBe(WEIGHTS.size);
  });

  it('[A1] is described by HEAD at the CDN without a body', async () => {
    const answer = await head(hub.signedUrl(ID, 'sub dir/w.gguf'));
    expect(answer.status).toBe(200);
    expect(answer.headers['content-length']).toBe(String(WEIGHTS.size));
    expect(answer.headers['accept-ranges']).toBe('bytes');
    expect(answer.body.length).toBe(0);
  });

  it('can change under its address, which its ETag tells', async () => {
    const url = hub.signedUrl(ID, 'sub dir/w.gguf');
    const old = fileOf('sub dir/w.gguf');
    const changed = hub.setFile(ID, 'sub dir/w.gguf', { size: 1234, seed: 99 });
    const answer = await get(url, { range: 'bytes=100-', 'if-range': old.finalEtag });
    expect(answer.status).toBe(200);
    expect(answer.headers.etag).toBe(changed.finalEtag);
    expect(changed.finalEtag).not.toBe(old.finalEtag);
    expect(answer.body.equals(generateBytes({ size: 1234, seed: 99 }))).toBe(true);
    const { headers } = await head(hub.resolveUrl(ID, 'sub dir/w.gguf'));
    expect(headers['x-repo-commit']).toBe(added.commit);
    expect(headers['x-linked-etag']).toBe(`"${changed.sha256}"`);
  });
});

describe('a small file', () => {
  it('[A1] is redirected within the hub, with its ETag and not its size, as huggingface.co does', async () => {
    const first = await head(hub.resolveUrl(ID, 'config.json'));
    const location = first.headers.location ?? '';
    expect(first.status).toBe(307);
    expect(first.headers['x-repo-commit']).toBe(added.commit);
    expect(first.headers['x-linked-etag']).toBe(`"${fileOf('config.json').gitSha1}"`);
    expect(first.headers['x-linked-size']).toBeUndefined();
    expect(first.headers['content-length']).toBe(String(`Redirecting to ${location}`.length));
    expect(first.headers['content-disposition']).toContain('filename="config.json"');
    expect(location).toMatch(new RegExp(`^/api/resolve-cache/models/${ID}/${added.commit}/config\\.json\\?.*etag=`));
    const cached = new URL(location, hub.url).href;
    const answer = await get(cached);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(CONFIG);
    expect(answer.headers.etag).toBe(`"${fileOf('config.json').gitSha1}"`);
    expect(answer.headers['x-repo-commit']).toBe(added.commit);
    expect(answer.headers['content-length']).toBe(String(CONFIG.length));
    const part = await get(cached, { range: 'bytes=2-4' });
    expect(part.status).toBe(206);
    expect(part.body).toEqual(CONFIG.subarray(2, 5));
    expect((await get(cached, { 'if-none-match': answer.headers.etag ?? '' })).status).toBe(304);
    const packed = await get(cached, { 'accept-encoding': 'gzip' });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.body)).toEqual(CONFIG);
  });

  it('[A1] comes in older forms where the shape says so', async () => {
    for (const smallFiles of ['bare', 'direct'] as const) {
      await withHub({ smallFiles }, async (older) => {
        older.addRepo({ id: ID, files: { 'config.json': CONFIG } });
        const first = await head(older.resolveUrl(ID, 'config.json'));
        expect(first.status).toBe(smallFiles === 'bare' ? 307 : 200);
        expect(first.headers['x-linked-etag']).toBeUndefined();
      });
    }
  });

  it('[A1] has a pointer of its own path at /raw', async () => {
    const answer = await get(`${hub.url}/${ID}/raw/main/config.json`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(CONFIG);
  });
});

describe('[A1] a shape', () => {
  const files = { 'w.gguf': WEIGHTS, 'a ü.json': CONFIG };

  it('without Xet has the ETag of an object store and no Xet headers', async () => {
    await withHub({ xet: false }, async (older) => {
      older.addRepo({ id: ID, files });
      const { headers } = await head(older.resolveUrl(ID, 'w.gguf'));
      expect(headers['x-xet-hash']).toBeUndefined();
      expect(headers.link).toBeUndefined();
      expect((await head(headers.location ?? '')).headers.etag).toMatch(/^"[0-9a-f]{32}-2"$/);
    });
  });

  it('with a limit for whole files refuses a GET without a range, and no other', async () => {
    await withHub({ wholeUpTo: 100_000 }, async (limited) => {
      limited.addRepo({ id: ID, files });
      const url = limited.signedUrl(ID, 'w.gguf');
      expect((await get(url)).status).toBe(400);
      expect((await get(url, { range: 'bytes=0-' })).status).toBe(206);
      expect((await head(url)).status).toBe(200);
    });
  });

  it('with a prefix has every route and every relative redirect below it', async () => {
    await withHub({ prefix: '/hf' }, async (below) => {
      below.addRepo({ id: ID, files });
      const first = await head(below.resolveUrl(ID, 'a ü.json'));
      expect(first.status).toBe(307);
      expect(first.headers.location).toMatch(/^\/hf\/api\/resolve-cache\//);
      expect((await get(new URL(first.headers.location ?? '', below.url).href)).body).toEqual(CONFIG);
      expect((await get(`${below.url}/api/models/${ID}`)).status).toBe(404);
    });
  });

  it('of a mirror leads to the hub that it mirrors', async () => {
    await withHub({ mirrors: { origin: hub.url, what: 'files' } }, async (mirror) => {
      mirror.addRepo({ id: ID, files });
      const moved = await head(mirror.resolveUrl(ID, 'sub dir/w.gguf'));
      expect(moved.status).toBe(308);
      expect(moved.headers.location).toBe(hub.resolveUrl(ID, 'sub dir/w.gguf'));
      expect((await get(`${mirror.url}/api/models/${ID}`)).status).toBe(200);
    });
  });

  it('with raw locations sends the bytes of UTF-8', async () => {
    await withHub({ locations: 'utf8' }, async (raw) => {
      raw.addRepo({ id: ID, files });
      const { headers } = await head(raw.resolveUrl(ID, 'a ü.json'));
      expect(Buffer.from(headers.location ?? '', 'latin1').toString()).toContain('/a%20ü.json?');
    });
  });

  it('sends the length that the test chooses', async () => {
    const lengthOf = async (heads: HubShape['heads']) => {
      let found: unknown;
      await withHub({ heads, smallFiles: 'direct' }, async (odd) => {
        odd.addRepo({ id: ID, files });
        const { status, headers } = await head(odd.resolveUrl(ID, 'a ü.json'));
        found = status === 200 ? (headers['content-length'] ?? null) : status;
      });
      return found;
    };
    expect(await lengthOf('length')).toBe(String(CONFIG.length));
    expect(await lengthOf('no_length')).toBeNull();
    expect(await lengthOf('zero')).toBe('0');
    expect(await lengthOf(500)).toBe(500);
  });

  it('serves large files itself, for HEAD alone or for both', async () => {
    await withHub({ largeFiles: 'head_direct' }, async (first) => {
      first.addRepo({ id: ID, files });
      expect((await head(first.resolveUrl(ID, 'w.gguf'))).status).toBe(200);
      expect((await get(first.resolveUrl(ID, 'w.gguf'))).status).toBe(302);
    });
    await withHub({ largeFiles: 'direct' }, async (both) => {
      both.addRepo({ id: ID, files });
      expect((await get(both.resolveUrl(ID, 'w.gguf'))).body.equals(generateBytes(WEIGHTS))).toBe(true);
    });
  });

  it('counts requests for files apart from those for the API', async () => {
    const quotaOf = async (url: string) => (await get(url)).headers['ratelimit'];
    expect(await quotaOf(`${hub.url}/api/models/${ID}`)).toMatch(/^"api";r=\d+;t=300$/);
    expect(await quotaOf(hub.resolveUrl(ID, 'config.json'))).toMatch(/^"resolvers";r=\d+;t=300$/);
  });
});

async function withHub(shape: Partial<HubShape>, use: (hub: TestHub) => Promise<void>): Promise<void> {
  const other = await startHub({ shape });
  try {
    await use(other);
  } finally {
    await other.close();
  }
}

describe('a repo', () => {
  it('[A1] is found by branch, tag, encoded ref and full commit', async () => {
    const commitAt = async (revision: string): Promise<unknown> =>
      (await head(hub.resolveUrl(ID, 'config.json', revision))).headers['x-repo-commit'];
    expect(await commitAt('main')).toBe(added.commit);
    expect(await commitAt(added.commit)).toBe(added.commit);
    expect(await commitAt('v1.0')).toBe(TAG_COMMIT);
    expect(await commitAt('refs/pr/1')).toBe(TAG_COMMIT);
    expect(await commitAt(TAG_COMMIT)).toBe(TAG_COMMIT);
    expect(await commitAt('HEAD')).toBe(added.commit);
    expect(await commitAt(added.commit.slice(0, 7))).toBe(added.commit);
  });

  it('moves main with a new commit and keeps the old one', async () => {
    const next = hub.pushCommit(ID, { 'config.json': Buffer.from('{}') });
    expect(next.commit).not.toBe(added.commit);
    const contentAt = async (revision: string) => (await get(`${hub.url}/${ID}/raw/${revision}/config.json`)).body;
    expect((await contentAt('main')).toString()).toBe('{}');
    expect(await contentAt(added.commit)).toEqual(CONFIG);
    expect((await get(hub.resolveUrl(ID, 'sub dir/w.gguf'))).status).toBe(404);
  });

  it('[A1] that was renamed is redirected within the hub', async () => {
    hub.addRepo({ id: 'acme/new', files: { 'config.json': CONFIG }, renamedFrom: ['acme/old'] });
    const file = await get(hub.resolveUrl('acme/old', 'config.json'));
    expect(file.status).toBe(307);
    expect(file.headers.location).toBe('/acme/new/resolve/main/config.json');
    const listing = await get(`${hub.url}/api/models/acme/old/tree/main?recursive=true`);
    expect(listing.status).toBe(307);
    expect(listing.headers.location).toBe('/api/models/acme/new/tree/main?recursive=true');
  });

  it('has large files in LFS, and weights of any size, unless it says from what size', () => {
    const lfsOf = (repo: AddedRepo): Record<string, boolean> =>
      Object.fromEntries(repo.files.map((file) => [file.path, file.lfs]));
    const files = { 'w.gguf': Buffer.alloc(10), 'a.txt': Buffer.alloc(50), 'big.txt': { size: 11_000_000, seed: 1 } };
    expect(lfsOf(hub.addRepo({ id: 'acme/a', files }))).toEqual({ 'w.gguf': true, 'a.txt': false, 'big.txt': true });
    expect(lfsOf(hub.addRepo({ id: 'acme/b', files, lfsFrom: 50 }))).toEqual({
      'w.gguf': false,
      'a.txt': true,
      'big.txt': true,
    });
  });
});
