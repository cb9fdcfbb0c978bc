import { readdir, readFile, readlink, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadFileToCacheDir, scanCacheDir } from '@huggingface/hub';
import { makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestHive, type TestHive } from './support.ts';

// Goal: other tools see what the hive fetched, and theirs is used. Method: `@huggingface/hub`, which knows nothing of us,
// reads and writes the same cache, against the same hub; what reaches that is recorded.

const GGUF = makeSampleGguf({ size: 300_000, seed: 3 });
const CONFIG = Buffer.from('{"model_type":"llama"}');

let hive: TestHive;
let commit: string;
beforeEach(async () => {
  hive = await startTestHive();
  const files = { 'model.gguf': GGUF, 'config.json': CONFIG };
  commit = hive.hub.addRepo({ id: 'org/model', files }).commit;
});
afterEach(() => hive.close());

const REF = 'hf:org/model::file=model.gguf::file=config.json';
const download = (model: string) => hive.run({ operation: 'model_download', model });

async function downloadByHub(path: string): Promise<string> {
  return downloadFileToCacheDir({
    repo: 'org/model',
    path,
    revision: commit,
    cacheDir: hive.modelsDir,
    hubUrl: hive.hub.url,
  });
}

/** Requests that fetched the bytes of a file: what a HEAD and the listing answer are none. */
function bodies(): string[] {
  return hive.hub.requests
    .filter(({ method, url, bytesSent }) => method === 'GET' && !url.startsWith('/api/') && bytesSent > 0)
    .map(({ url }) => url);
}

describe('a model at a commit', () => {
  const atCommit = () => `hf:org/model@${commit}::file=model.gguf`;
  const refs = () => readdir(join(hive.modelsDir, 'models--org--model', 'refs')).catch(() => []);
  const mainRef = () => readFile(join(hive.modelsDir, 'models--org--model', 'refs', 'main'), 'utf8');

  it('[G8] gets no ref, as with huggingface_hub, and the cache is in order', async () => {
    expect((await download(atCommit())).end).toBe('[DONE]');
    expect(await refs()).toEqual([]);
    const cache = await scanCacheDir(hive.modelsDir);
    expect(cache.warnings).toEqual([]);
    expect(cache.repos[0]?.revisions).toMatchObject([{ commitOid: commit, refs: [] }]);
  });

  it('[G8] is found by its branch after a download by branch, which fetches nothing', async () => {
    await download(atCommit());
    hive.hub.clearRequests();
    expect((await download('hf:org/model::file=model.gguf')).end).toBe('[DONE]');
    expect(bodies()).toEqual([]);
    expect(await mainRef()).toBe(commit);
  });

  it('[G8] leaves the branch where it is', async () => {
    await download('hf:org/model::file=model.gguf');
    const next = hive.hub.addRepo({ id: 'org/model', files: { 'model.gguf': GGUF, 'config.json': Buffer.from('{}') } });
    expect(next.commit).not.toBe(commit);
    expect((await download(`hf:org/model@${next.commit}::file=config.json`)).end).toBe('[DONE]');
    expect(await mainRef()).toBe(commit);
    expect(await refs()).toEqual(['main']);
  });
});

describe('what the hive has downloaded', () => {
  it.each([REF, `${REF.slice(0, 'hf:org/model'.length)}@COMMIT${REF.slice('hf:org/model'.length)}`])(
    '[G4] is listed by scanCacheDir with the right sizes and no warning (%s)',
    async (ref) => {
      expect((await download(ref.replace('COMMIT', commit))).end).toBe('[DONE]');
      const cache = await scanCacheDir(hive.modelsDir);
      expect(cache.warnings).toEqual([]);
      expect(cache.size).toBe(GGUF.length + CONFIG.length);
      const [repo] = cache.repos;
      expect(repo).toMatchObject({ id: { name: 'org/model', type: 'model' }, filesCount: 2 });
      expect(repo?.revisions).toMatchObject([{ commitOid: commit, size: GGUF.length + CONFIG.length }]);
      expect(repo?.revisions[0]?.refs).toEqual(ref.includes('COMMIT') ? [] : ['main']);
      const sizes = repo?.revisions[0]?.files.map(({ path, blob }) => [path.split('/').at(-1), blob.size]).sort();
      expect(sizes).toEqual([
        ['config.json', CONFIG.length],
        ['model.gguf', GGUF.length],
      ]);
    },
  );

  it('[G4] is not downloaded again by downloadFileToCacheDir', async () => {
    await download(REF);
    hive.hub.clearRequests();
    const path = await downloadByHub('model.gguf');
    expect((await readFile(path)).equals(GGUF)).toBe(true);
    expect(hive.hub.requests).toEqual([]);
  });

  it('[G5] is listed without a warning during a download, after a cancel, and after a removal', async () => {
    hive.hub.throttle(0);
    const { body } = await hive.api('POST', '/v1/jobs', { operation: 'model_download', model: REF });
    await hive.hub.waitFor(() => hive.hub.inFlight('cdn') > 0, 'the download to run');
    expect((await scanCacheDir(hive.modelsDir)).warnings).toEqual([]);
    await hive.api('DELETE', `/v1/jobs/${String(body['job_id'])}`);
    expect((await scanCacheDir(hive.modelsDir)).warnings).toEqual([]);
    hive.hub.throttle(null);
    await download(REF);
    const [model] = (await hive.api('GET', '/v2/models')).body['models'] as { model_id: string }[];
    await hive.api('DELETE', `/v2/models/${model?.model_id}`);
    expect(await scanCacheDir(hive.modelsDir)).toEqual({ repos: [], size: 0, warnings: [] });
  });
});

describe('what downloadFileToCacheDir has downloaded', () => {
  it.each([
    ['an LFS file', 'model.gguf', GGUF],
    ['a file of git itself', 'config.json', CONFIG],
  ])('is used by the hive with 0 bytes transferred: %s', async (_, path, content) => {
    const fetched = await downloadByHub(path);
    expect(bodies().length).toBeGreaterThan(0);
    hive.hub.clearRequests();
    const { said } = await download(`hf:org/model::file=${path}`);
    expect(said.map(({ action }) => action)).toContain('file_present');
    expect(bodies()).toEqual([]);
    const { downloads } = (await hive.api('GET', '/v2/downloads')).body as { downloads: Record<string, unknown>[] };
    expect(downloads[0]).toMatchObject({ status: 'complete', bytes: content.length, bytes_reused: content.length });
    expect(downloads[0]?.['path']).toBe(fetched);
    expect((await scanCacheDir(hive.modelsDir)).warnings).toEqual([]);
  });

  it('is listed, shown, verified and removed like any other', async () => {
    await downloadByHub('model.gguf');
    const { models } = (await hive.api('GET', '/v2/models')).body as { models: Record<string, unknown>[] };
    expect(models).toMatchObject([{ model_ref: `hf:org/model@${commit}::file=model.gguf`, bytes: GGUF.length }]);
    const id = String(models[0]?.['model_id']);
    expect(await hive.api('GET', `/v2/models/${id}`)).toMatchObject({ body: { gguf: { architecture: 'llama' } } });
    expect((await hive.run({ operation: 'model_verify', id })).payload).toMatchObject({ models: [{ ok: true }] });
    expect((await hive.api('DELETE', `/v2/models/${id}`)).body).toMatchObject({ freed_bytes: GGUF.length });
    expect((await hive.api('GET', '/v2/models')).body).toEqual({ models: [], partials: [], problems: [] });
  });

  it('[G6] in part is listed as a partial, and left alone', async () => {
    const path = await downloadByHub('model.gguf');
    const blob = join(path, '..', await readlink(path));
    await rename(blob, `${blob}.incomplete`);
    expect((await hive.api('GET', '/v2/models')).body).toMatchObject({
      models: [],
      partials: [{ origin: 'hf:org/model', bytes: GGUF.length, total: null }],
    });
  });
});
