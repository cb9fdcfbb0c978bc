import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type HfRef, parseModelRef } from '@rbee/contract';
import { startHub, tempDir } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { fixedToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { createHuggingFace } from '../../../src/sources/hugging-face/hugging-face.ts';
import type { ResolvedModel } from '../../../src/sources/source.ts';
import { findOfflineModel } from '../../../src/store/contents/offline-model.ts';
import { createLayout } from '../../../src/store/layout.ts';

const FILES = {
  'model-Q4_K_M.gguf': Buffer.from('q4'),
  'model-Q8_0-00001-of-00002.gguf': Buffer.from('q8 1'),
  'model-Q8_0-00002-of-00002.gguf': Buffer.from('q8 2'),
  'config.json': Buffer.from('{}'),
};
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function setUp({ isOffline = false } = {}) {
  const [hub, folder] = [await startHub(), await tempDir()];
  // No connection is kept, or the first request to a hub that is gone would find one that was cut.
  const dispatcher = new Agent({ pipelining: 0 });
  closing.push(
    () => hub.close(),
    () => folder.remove(),
    () => dispatcher.destroy(),
  );
  const repo = hub.addRepo({ id: 'org/model', files: FILES });
  const layout = createLayout(join(folder.path, 'hub'));
  const sourceAt = (endpoint: string, offline = isOffline) =>
    createHuggingFace({
      endpoint,
      token: fixedToken(null),
      dispatcher,
      headersTimeoutMs: 5_000,
      userAgent: 'test/1',
      isOffline: offline,
      findOffline: (ref, treeOf) => findOfflineModel(layout, ref, treeOf),
    });
  const resolveWith = (source: ReturnType<typeof sourceAt>) => (ref: string) =>
    source.resolve(parseModelRef(ref) as HfRef, AbortSignal.timeout(10_000));
  const resolve = resolveWith(sourceAt(hub.url));
  /** Puts files into the store as they are after a download. */
  const store = async (...paths: (keyof typeof FILES)[]) => {
    await put(layout.ref('hf:org/model', 'main'), repo.commit);
    for (const path of paths) {
      const file = repo.files.find((candidate) => candidate.path === path);
      if (file === undefined) throw new Error(`no ${path}`);
      await put(layout.blob('hf:org/model', file.etag), FILES[path]);
      const link = layout.snapshotFile('hf:org/model', repo.commit, path);
      await mkdir(dirname(link), { recursive: true });
      await symlink(layout.linkTarget(path, file.etag), link);
    }
  };
  const lose = (path: string) => rm(layout.blob('hf:org/model', etagOf(repo.files, path)));
  return { hub, repo, layout, resolve, resolveOffline: resolveWith(sourceAt(hub.url, true)), store, lose };
}

async function put(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

function etagOf(files: readonly { path: string; etag: string }[], path: string): string {
  return files.find((file) => file.path === path)?.etag ?? '';
}

const summary = ({ commit, files }: ResolvedModel) => ({
  commit,
  files: files.map(({ path, blobName, size, sha256, gitSha1 }) => ({ path, blobName, size, sha256, gitSha1 })),
});

describe('a hub that cannot be reached', () => {
  it.each([
    ['hf:org/model::file=model-Q4_K_M.gguf::file=config.json'],
    ['hf:org/model'],
    ['hf:org/model:Q8_0'],
    ['hf:org/model::include=*.json'],
  ])('does not matter to %s, which is in the store in full', async (ref) => {
    const { hub, resolve, store } = await setUp();
    await store('model-Q4_K_M.gguf', 'model-Q8_0-00001-of-00002.gguf', 'model-Q8_0-00002-of-00002.gguf', 'config.json');
    const asked = await resolve(ref);
    expect(asked.fromStore).toBeUndefined();
    await hub.close();
    const stored = await resolve(ref);
    expect(summary(stored)).toEqual(summary(asked));
    expect(stored).toMatchObject({ place: 'hf:org/model', revision: 'main', fromStore: /cannot be reached/ });
    expect(stored.pinnedRef(null)).toBe(asked.pinnedRef(null));
  });

  it.each([
    ['hf:org/model::file=model-Q4_K_M.gguf', []],
    ['hf:org/model::file=model-Q4_K_M.gguf::file=config.json', ['model-Q4_K_M.gguf']],
    ['hf:org/model:Q8_0', ['model-Q8_0-00001-of-00002.gguf']],
    ['hf:org/model', ['config.json']],
    ['hf:org/model@dev::file=model-Q4_K_M.gguf', ['model-Q4_K_M.gguf']],
    ['hf:org/other::file=model-Q4_K_M.gguf', ['model-Q4_K_M.gguf']],
  ] as const)('is told of for %s where the store has only %j', async (ref, paths) => {
    const { hub, resolve, store } = await setUp();
    await store(...paths);
    await hub.close();
    await expect(resolve(ref)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('is told of where a blob is missing', async () => {
    const { hub, resolve, store, lose } = await setUp();
    await store('model-Q4_K_M.gguf', 'config.json');
    await hub.close();
    await lose('config.json');
    await expect(resolve('hf:org/model::file=config.json')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('knows the whole list of a commit that it was asked for before', async () => {
    const { hub, resolve, store } = await setUp();
    await store('model-Q4_K_M.gguf');
    await resolve('hf:org/model::include=*');
    await hub.close();
    // What is there could be taken for all of it; the list says that it is not.
    await expect(resolve('hf:org/model::include=*')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});

describe('a hub that answers', () => {
  it('with an error is asked again, whatever the store has', async () => {
    const { hub, resolve, store } = await setUp();
    await store('config.json');
    hub.fault({ server: 'hub', kind: 'status', status: 503 });
    await expect(resolve('hf:org/model::file=config.json')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('need not be asked for named files of a named commit that are in the store', async () => {
    const { hub, repo, resolve, store } = await setUp();
    await store('config.json');
    const model = await resolve(`hf:org/model@${repo.commit}::file=config.json`);
    expect(model).toMatchObject({ commit: repo.commit, revision: repo.commit, fromStore: /commit/ });
    expect(hub.requests).toHaveLength(0);
    await resolve(`hf:org/model@${repo.commit}::file=model-Q4_K_M.gguf`);
    expect(hub.requests).toHaveLength(1);
  });

  it('gets one request for the files of a commit', async () => {
    const { hub, repo, resolve } = await setUp();
    await resolve('hf:org/model');
    await resolve('hf:org/model:Q8_0');
    await resolve(`hf:org/model@${repo.commit}`);
    const asked = hub.requests.map(({ url }) => new URL(url, hub.url).pathname);
    expect(asked.filter((path) => path.includes('/tree/'))).toHaveLength(1);
    expect(asked.filter((path) => path.includes('/revision/'))).toHaveLength(2);
  });
});

describe('HF_HUB_OFFLINE', () => {
  it('keeps requests from the hub', async () => {
    const { hub, resolveOffline, store } = await setUp();
    await store('model-Q4_K_M.gguf');
    expect(await resolveOffline('hf:org/model')).toMatchObject({ fromStore: /HF_HUB_OFFLINE/ });
    const missing = resolveOffline('hf:org/model::file=config.json');
    await expect(missing).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', hint: /HF_HUB_OFFLINE/, retryable: false });
    expect(hub.requests).toHaveLength(0);
  });
});
