import { type HfRef, parseModelRef } from '@rbee/contract';
import { type HubOptions, startHub } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { fixedToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { createHuggingFace } from '../../../src/sources/hugging-face/hugging-face.ts';

const READER = 'hf_reader';
const ENABLED = 'hf_enabled';
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function setUp(options: HubOptions = {}, token: string | null = null) {
  const tokens = {
    [READER]: { user: 'reader', repos: [] },
    [ENABLED]: { user: 'enabled', repos: ['org/gated', 'org/secret'] },
  };
  const hub = await startHub({ tokens, ...options });
  const dispatcher = new Agent();
  open.push(
    () => hub.close(),
    () => dispatcher.destroy(),
  );
  const repo = hub.addRepo({
    id: 'org/model',
    files: {
      'model-Q4_K_M.gguf': { size: 50_000, seed: 1 },
      'model-Q8_0.gguf': { size: 90_000, seed: 2 },
      'sub folder/config + ü.json': Buffer.from('{"a":1}\n'),
    },
    revisions: { 'refs/pr/1': 'a'.repeat(40) },
    renamedFrom: ['old/model'],
  });
  hub.addRepo({ id: 'org/gated', files: { 'm.gguf': { size: 9, seed: 1 } }, gated: true });
  hub.addRepo({ id: 'org/secret', files: { 'm.gguf': { size: 9, seed: 1 } }, private: true });
  const source = createHuggingFace({
    endpoint: hub.url,
    token: fixedToken(token),
    dispatcher,
    headersTimeoutMs: 5_000,
    userAgent: 'test/1',
    isOffline: false,
    findOffline: async () => null,
  });
  const resolve = (text: string) => source.resolve(parseModelRef(text) as HfRef, AbortSignal.timeout(10_000));
  return { hub, repo, resolve };
}

function fileOf(repo: { files: readonly { path: string; sha256: string; gitSha1: string }[] }, path: string) {
  const file = repo.files.find((candidate) => candidate.path === path);
  if (!file) throw new Error(`no ${path}`);
  return file;
}

describe('a named file', () => {
  it.each(['linked', 'bare', 'direct'] as const)(
    'is pinned, sized and digested, LFS or not (%s)',
    async (smallFiles) => {
      const { repo, resolve, hub } = await setUp({ shape: { smallFiles } });
      const model = await resolve('hf:org/model::file=model-Q4_K_M.gguf::file=sub folder/config + ü.json');
      expect(model).toMatchObject({ place: 'hf:org/model', title: 'org/model', revision: 'main', commit: repo.commit });
      const [weights, config] = model.files;
      const lfs = fileOf(repo, 'model-Q4_K_M.gguf');
      expect(weights).toMatchObject({ blobName: lfs.sha256, size: 50_000, sha256: lfs.sha256, gitSha1: null });
      const plain = fileOf(repo, 'sub folder/config + ü.json');
      expect(config).toMatchObject({ blobName: plain.gitSha1, size: 8, sha256: null, gitSha1: plain.gitSha1 });
      expect(new URL((await weights.locate(AbortSignal.timeout(5_000))).url).origin).toBe(hub.cdnUrl);
      expect(new URL((await config?.locate(AbortSignal.timeout(5_000)))?.url ?? '').origin).toBe(hub.url);
    },
  );

  it('of a revision with slashes, and of a renamed repo, is found', async () => {
    const { repo, resolve } = await setUp();
    const pinned = await resolve('hf:org/model@refs/pr/1::file=model-Q8_0.gguf');
    expect(pinned).toMatchObject({ commit: 'a'.repeat(40), revision: 'refs/pr/1' });
    expect(await resolve('hf:old/model::file=model-Q8_0.gguf')).toMatchObject({ commit: repo.commit });
  });

  it('is requested by commit once that is known, so that all files are of one', async () => {
    const { hub, repo, resolve } = await setUp();
    await resolve('hf:org/model::file=model-Q4_K_M.gguf::file=model-Q8_0.gguf');
    const asked = hub.requests.map(({ url }) => url);
    expect(asked[0]).toContain('/resolve/main/');
    expect(asked[1]).toContain(`/resolve/${repo.commit}/`);
  });

  it('has a fresh address each time it is located again', async () => {
    const { hub, resolve } = await setUp();
    const [file] = (await resolve('hf:org/model::file=model-Q8_0.gguf')).files;
    hub.clearRequests();
    await file.locate(AbortSignal.timeout(5_000));
    expect(hub.requests).toHaveLength(0);
    await file.locate(AbortSignal.timeout(5_000));
    expect(hub.requests).toHaveLength(1);
  });
});

describe('files chosen from the tree', () => {
  it.each([
    ['hf:org/model', ['model-Q4_K_M.gguf']],
    ['org/model:Q8_0', ['model-Q8_0.gguf']],
    ['hf:org/model::include=*.json', ['sub folder/config + ü.json']],
  ])('%s', async (ref, paths) => {
    const { resolve, repo } = await setUp({ treePageSize: 1 });
    const model = await resolve(ref);
    expect(model.commit).toBe(repo.commit);
    expect(model.files.map(({ path }) => path)).toEqual(paths);
  });

  it('have an address right away if the hub has the bytes itself, and request one when that is refused', async () => {
    const { resolve, hub } = await setUp();
    const [plain] = (await resolve('hf:org/model::include=*.json')).files;
    hub.clearRequests();
    const { url } = await plain.locate(AbortSignal.timeout(5_000));
    expect(new URL(url).origin).toBe(hub.url);
    expect(hub.requests).toHaveLength(0);
    await plain.locate(AbortSignal.timeout(5_000));
    expect(hub.requests.map(({ method }) => method)).toEqual(['HEAD', 'HEAD']);
  });

  it('have the same digests as files requested by name', async () => {
    const { resolve } = await setUp();
    const strip = ({ locate: _, ...rest }: Record<string, unknown>) => rest;
    const named = await resolve('hf:org/model::file=model-Q4_K_M.gguf');
    const chosen = await resolve('hf:org/model:Q4_K_M');
    expect(strip({ ...chosen.files[0] })).toEqual(strip({ ...named.files[0] }));
  });
});

describe('[A10] refusals', () => {
  it.each([
    [null, 'hf:org/nothing::file=x.gguf', 'MODEL_NOT_FOUND'],
    [READER, 'hf:org/nothing::file=x.gguf', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/nothing', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/secret::file=m.gguf', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/model::file=nothing.gguf', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/model@nothing::file=model-Q8_0.gguf', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/model@nothing', 'MODEL_NOT_FOUND'],
    [null, 'hf:org/gated::file=m.gguf', 'MODEL_TOKEN_MISSING'],
    [READER, 'hf:org/gated::file=m.gguf', 'MODEL_GATED'],
    ['hf_wrong', 'hf:org/model::file=model-Q8_0.gguf', 'MODEL_TOKEN_INVALID'],
  ])('with the token %s, %s is %s, with a hint', async (token, ref, code) => {
    const { resolve } = await setUp({}, token);
    await expect(resolve(ref)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  it('do not happen with a token that has access', async () => {
    const { resolve } = await setUp({}, ENABLED);
    expect((await resolve('hf:org/gated::file=m.gguf')).files).toHaveLength(1);
    expect((await resolve('hf:org/secret::file=m.gguf')).files).toHaveLength(1);
  });

  it.each([
    [503, { 'Retry-After': '7' }, 'SOURCE_UNAVAILABLE', 7_000],
    [429, {}, 'SOURCE_UNAVAILABLE', undefined],
    [429, { RateLimit: '"resolvers";r=0;t=55' }, 'SOURCE_UNAVAILABLE', 55_000],
  ])('by %s can be retried', async (status, headers, code, retryAfterMs) => {
    const { hub, resolve } = await setUp();
    hub.fault({ server: 'hub', kind: 'status', status, headers });
    await expect(resolve('hf:org/model::file=model-Q8_0.gguf')).rejects.toMatchObject({ code, retryAfterMs });
  });
});

describe('the token', () => {
  it('goes to the hub and is not in the location of the file', async () => {
    const { hub, resolve } = await setUp({}, READER);
    const model = await resolve('hf:org/model::file=model-Q8_0.gguf::file=sub folder/config + ü.json');
    expect(hub.requests.every(({ headers }) => headers.authorization === `Bearer ${READER}`)).toBe(true);
    const [large, small] = await Promise.all(model.files.map((file) => file.locate(AbortSignal.timeout(5_000))));
    expect(large?.headers).not.toHaveProperty('authorization');
    expect(small?.headers).toHaveProperty('authorization');
  });
});
