import { chmod, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type HfRef, modelIdOf, modelListSchema, parseModelRef } from '@rbee/contract';
import { startHub, type TestHub } from '@rbee/testing';
import { transferFile } from '@rbee/transfer';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selectFiles } from '../../../src/selection/select-files.ts';
import { COMMIT, OTHER_COMMIT, openTestStore, PLACE, sha256Of, type TestStore } from '../support.ts';

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

async function listed() {
  const list = await test.store.list();
  expect(modelListSchema.parse(list)).toEqual(list);
  return { ...list, refs: list.models.map(({ model_ref }) => model_ref) };
}

describe('a downloaded model', () => {
  it('is listed by its pinned ref, newest first', async () => {
    await test.download([{ path: 'a.gguf', content: 'first' }]);
    test.clock.advance(1_000);
    await test.download([
      { path: 'b/1.bin', content: 'second' },
      { path: 'b/config.json', content: '{}', isGit: true },
    ]);
    const { models, partials, problems } = await listed();
    const [several, single] = models;
    const ref = `hf:org/model@${COMMIT}::file=a.gguf`;
    expect(single).toEqual({
      model_id: modelIdOf(ref),
      model_ref: ref,
      bytes: 5,
      files: 1,
      sha256: sha256Of('first'),
      path: test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'),
      modified_at: expect.any(String),
    });
    expect(several).toMatchObject({
      bytes: 8,
      files: 2,
      sha256: null,
      path: test.layout.snapshotFolder(PLACE, COMMIT),
    });
    expect([partials, problems]).toEqual([[], []]);
  });

  it.each<[string, (path: string, blob: string) => Promise<unknown>]>([
    ['its link is gone', (path) => rm(path)],
    ['its blob is gone', (_, blob) => rm(blob)],
    ['its blob is cut', (_, blob) => truncate(blob, 3)],
    ['its link leads elsewhere', (path) => rm(path).then(() => symlink('/etc/passwd', path))],
  ])('is a problem and no model when %s', async (_, damage) => {
    await test.download([{ path: 'a.bin', content: 'content' }]);
    await damage(test.layout.snapshotFile(PLACE, COMMIT, 'a.bin'), test.layout.blob(PLACE, sha256Of('content')));
    const { models, problems } = await listed();
    expect(models).toEqual([]);
    expect(problems).toMatchObject([
      { path: expect.any(String), message: expect.stringMatching(/a\.bin.*download it again/) },
    ]);
  });

  it('[G2] is still listed when a tool has written a copy over the link', async () => {
    await test.download([{ path: 'a.bin', content: 'content' }]);
    const path = test.layout.snapshotFile(PLACE, COMMIT, 'a.bin');
    await rm(path);
    await writeFile(path, 'content');
    expect((await listed()).refs).toEqual([`hf:org/model@${COMMIT}::file=a.bin`]);
  });
});

describe('a damaged entry of the catalog', () => {
  const good = async (): Promise<{ path: string; entry: Record<string, unknown> }> => {
    await test.download([{ path: 'bad.bin', content: 'bad' }]);
    await test.download([{ path: 'good.bin', content: 'good' }]);
    const path = test.layout.catalogFile(PLACE, modelIdOf(`hf:org/model@${COMMIT}::file=bad.bin`));
    return { path, entry: JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown> };
  };
  const file = { path: 'x', blob: 'b', bytes: 1, sha256: null };

  it.each<[string, (entry: Record<string, unknown>) => unknown]>([
    ['is no JSON', () => '{"version":1,'],
    ['is empty', () => ''],
    ['is of another version', (entry) => ({ ...entry, version: 2 })],
    ['lacks a field', ({ commit: _, ...entry }) => entry],
    ['has a field too many', (entry) => ({ ...entry, more: 1 })],
    ['has the id of another', (entry) => ({ ...entry, model_id: 'm-000000000000' })],
    ['has another ref', (entry) => ({ ...entry, model_ref: `hf:org/other@${COMMIT}` })],
    ['has a path that leaves the store', (entry) => ({ ...entry, files: [{ ...file, path: '../../x' }] })],
    ['has an absolute path', (entry) => ({ ...entry, files: [{ ...file, path: '/etc/passwd' }] })],
    ['has a blob that leaves the store', (entry) => ({ ...entry, files: [{ ...file, blob: '../../../x' }] })],
    ['has a place that leaves the store', (entry) => ({ ...entry, place: 'hf:../..' })],
    ['has an invalid commit', (entry) => ({ ...entry, commit: '..' })],
    ['has a revision that leaves the store', (entry) => ({ ...entry, revision: '../../x' })],
  ])('is a problem and hides no other when it %s; the next download repairs it', async (_, damage) => {
    const { path, entry } = await good();
    const damaged = damage(entry);
    await writeFile(path, typeof damaged === 'string' ? damaged : JSON.stringify(damaged));
    const before = await listed();
    expect(before.refs).toEqual([`hf:org/model@${COMMIT}::file=good.bin`]);
    expect(before.problems).toEqual([{ path, message: expect.stringMatching(/^the catalog entry /) }]);

    await test.download([{ path: 'bad.bin', content: 'bad' }]);
    const after = await listed();
    expect(after.refs.sort()).toEqual(['bad', 'good'].map((name) => `hf:org/model@${COMMIT}::file=${name}.bin`));
    expect(after.problems).toEqual([]);
  });

  it('[E7] is not followed when it is a link', async () => {
    const { path, entry } = await good();
    const elsewhere = join(test.folder.path, 'elsewhere.json');
    await writeFile(elsewhere, JSON.stringify(entry));
    await rm(path);
    await symlink(elsewhere, path);
    expect((await listed()).problems).toEqual([{ path, message: expect.stringContaining('ELOOP') }]);
  });
});

describe('a model that another tool put there', () => {
  it('is listed: each GGUF file, and a complete set of shards as one', async () => {
    const shards = [1, 2, 3].map((n) => ({ path: `q8/big-0000${n}-of-00003.gguf`, content: `shard ${n}` }));
    await test.putByHand([
      { path: 'one.gguf', content: 'one' },
      ...shards.slice(0, 2),
      { path: 'README.md', content: '#' },
    ]);
    expect((await listed()).refs).toEqual([`hf:org/model@${COMMIT}::file=one.gguf`]);
    await test.putByHand(shards.slice(2));
    const { models, refs } = await listed();
    expect(refs.sort()).toEqual([
      `hf:org/model@${COMMIT}::file=one.gguf`,
      `hf:org/model@${COMMIT}::include=q8/big-*-of-00003.gguf`,
    ]);
    expect(models.find(({ files }) => files === 3)).toMatchObject({ bytes: 21 });
  });

  it.each([
    'big-0000#-of-00003.gguf',
    'big_0000#-of-00003.gguf',
    'big-#-of-3.gguf',
    'big-Q4_K_M-0000#-of-00003.gguf',
    'BF16/big-BF16-0000#-of-00003.gguf',
    'Q4_K_M/big_0#-of-03.gguf',
    'big.Q4_K_M-0000#-of-00003.GGUF',
  ])('[H5] shards named %s are listed as what they are downloaded as', async (pattern) => {
    const shards = [1, 2, 3].map((n) => ({ path: pattern.replace('#', String(n)), content: `shard ${n}` }));
    await test.putByHand(shards.slice(0, 2));
    expect((await test.store.list()).models).toEqual([]);
    await test.putByHand(shards.slice(2));
    const { models } = await test.store.list();
    expect(models).toMatchObject([{ files: 3, bytes: 21 }]);
    const ref = parseModelRef(models[0]?.model_ref ?? '') as HfRef;
    const tree = shards.map(({ path }) => ({ path, size: 7 }));
    expect(selectFiles(tree, ref)).toHaveLength(3);
    expect(selectFiles(tree, { ...ref, include: [] })).toHaveLength(3);
  });

  it.each([
    ['names begin alike', ['m-0000#-of-00002.gguf', 'm-v2-0000#-of-00002.gguf']],
    ['names in short numbers begin alike', ['m-#-of-2.gguf', 'm-v2-#-of-2.gguf']],
    ['names have brackets', ['m[1]-0000#-of-00002.gguf', 'm[2]-0000#-of-00002.gguf']],
    ['names differ in the separator', ['m-0000#-of-00002.gguf', 'm_0000#-of-00002.gguf']],
  ])('[H5] sets of shards whose %s are listed by refs that mean one of them each', async (_, patterns) => {
    const sets = patterns.map((pattern) => [1, 2].map((n) => pattern.replace('#', String(n))));
    await test.putByHand(sets.flat().map((path) => ({ path, content: path })));
    const { refs } = await listed();
    const tree = sets.flat().map((path) => ({ path, size: 1 }));
    const taken = refs.map((ref) => [...selectFiles(tree, parseModelRef(ref) as HfRef)]);
    expect(taken.sort()).toEqual(sets.sort());
  });

  it('is listed: the safetensors set with its other files, if every shard of its index is there', async () => {
    const index = JSON.stringify({
      weight_map: { a: 'w-00001-of-00002.safetensors', b: 'w-00002-of-00002.safetensors' },
    });
    const parts = [
      { path: 'config.json', content: '{}' },
      { path: 'w.safetensors.index.json', content: index },
      { path: 'w-00001-of-00002.safetensors', content: 'one' },
    ];
    await test.putByHand([...parts, { path: 'pytorch_model.bin', content: 'the same again' }]);
    expect((await listed()).refs).toEqual([]);
    await test.putByHand([{ path: 'w-00002-of-00002.safetensors', content: 'two' }]);
    expect((await listed()).models).toMatchObject([{ model_ref: `hf:org/model@${COMMIT}`, files: 4 }]);
  });

  it('is listed without an index too, if the shards are complete by their names', async () => {
    await test.putByHand([{ path: 'w-00001-of-00002.safetensors', content: 'one' }]);
    expect((await listed()).refs).toEqual([]);
    await test.putByHand([{ path: 'w-00002-of-00002.safetensors', content: 'two' }]);
    expect((await listed()).refs).toHaveLength(1);
  });

  it('is listed once if it is in the catalog, and by itself if only a part of it is', async () => {
    const files = [
      { path: 'config.json', content: '{}' },
      { path: 'model.safetensors', content: 'weights' },
    ];
    await test.putByHand(files);
    await test.download(files, { modelRef: `hf:org/model@${COMMIT}` });
    expect((await listed()).refs).toEqual([`hf:org/model@${COMMIT}`]);
    await test.putByHand(files, { commit: OTHER_COMMIT });
    await test.download(files.slice(0, 1), { commit: OTHER_COMMIT });
    expect((await listed()).refs.sort()).toEqual(
      [`@${COMMIT}`, `@${OTHER_COMMIT}`, `@${OTHER_COMMIT}::file=config.json`].map((rest) => `hf:org/model${rest}`),
    );
  });

  it('has the id that a download of the same file would give it', async () => {
    await test.putByHand([{ path: 'x.gguf', content: 'x' }]);
    const [found] = (await listed()).models;
    await test.download([{ path: 'x.gguf', content: 'x' }]);
    expect((await listed()).models.map(({ model_id }) => model_id)).toEqual([found?.model_id]);
  });

  it('[E7] is not followed by a link to a folder in a snapshot', async () => {
    const outside = join(test.folder.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret.gguf'), 'secret');
    await mkdir(test.layout.snapshotFolder(PLACE, COMMIT), { recursive: true });
    await symlink(outside, test.layout.snapshotFile(PLACE, COMMIT, 'folder'));
    expect(await listed()).toMatchObject({ models: [], partials: [], problems: [] });
  });
});

describe('partials', () => {
  const SIZE = 400_000;

  /** A real one: a transfer that was stopped when about half had come. */
  async function stopHalfway(hub: TestHub, partialPath: string): Promise<void> {
    const { sha256 } = hub.addRepo({ id: 'org/model', files: { 'm.gguf': { size: SIZE, seed: 1 } } }).files[0] ?? {};
    hub.fault({ kind: 'stall', afterBytes: SIZE / 2, server: 'cdn' });
    const controller = new AbortController();
    const dispatcher = new Agent();
    const url = hub.signedUrl('org/model', 'm.gguf');
    const running = transferFile(
      {
        ...{ partialPath, finalPath: `${partialPath}.never`, size: SIZE, sha256: sha256 ?? null, gitSha1: null },
        ...{ name: 'm.gguf', locate: async () => ({ url }) },
      },
      {
        ...{ signal: controller.signal, dispatcher, headersTimeoutMs: 10_000, stallTimeoutMs: 10_000 },
        ...{ retry: { attempts: 1, baseDelayMs: 1, maxDelayMs: 1 }, onNotice: () => {} },
        onState: ({ bytes }) => bytes >= SIZE / 4 && controller.abort(new Error('stopped')),
      },
    );
    await expect(running).rejects.toThrow('stopped');
    await dispatcher.destroy();
  }

  it('of ours have the bytes, the total and the origin of their journal', async () => {
    const hub = await startHub();
    const fromHub = test.layout.partial(PLACE, 'a'.repeat(64));
    const fromElsewhere = test.layout.partial('https:abc', 'b'.repeat(64));
    for (const path of [fromHub, fromElsewhere]) await stopHalfway(hub, path);
    await writeFile(test.layout.damaged(PLACE, 'b'.repeat(64)), 'damaged');
    const { partials } = await listed();
    expect(partials).toHaveLength(2);
    for (const { bytes, total } of partials) {
      expect(bytes).toBeGreaterThanOrEqual(SIZE / 4);
      expect(bytes).toBeLessThan(SIZE);
      expect(total).toBe(SIZE);
    }
    expect(partials.map(({ path, origin }) => [path, origin]).sort()).toEqual(
      [
        [fromHub, PLACE],
        [fromElsewhere, hub.cdnUrl],
      ].sort(),
    );
    await hub.close();
  });

  it('[G3] of older versions count as their journals say, which are not listed themselves', async () => {
    const hub = await startHub();
    const path = test.layout.partial(PLACE, 'a'.repeat(64));
    await stopHalfway(hub, path);
    const older = path.replace(/-partial$/, '.incomplete');
    await rename(path, older);
    await rename(path.replace(/partial$/, 'journal'), older.replace(/incomplete$/, 'journal.incomplete'));
    await writeFile(older.replace(/rbee\.incomplete$/, 'damaged.incomplete'), 'damaged');
    const { partials } = await listed();
    expect(partials).toMatchObject([{ path: older, origin: PLACE, total: SIZE }]);
    expect(partials[0]?.bytes).toBeGreaterThanOrEqual(SIZE / 4);
    await hub.close();
  });

  it('of ours without a journal count nothing', async () => {
    const path = test.layout.partial(PLACE, 'a'.repeat(64));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'bytes');
    expect((await listed()).partials).toMatchObject([{ path, origin: PLACE, bytes: 0, total: null }]);
  });

  it('[G6] of other tools have the size of the file, and its age', async () => {
    const path = join(test.layout.blobsFolder(PLACE), `${'c'.repeat(64)}.incomplete`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'half');
    await test.age(path, 1);
    const modified_at = new Date(test.clock.now() - 3_600_000).toISOString();
    expect((await listed()).partials).toEqual([{ path, origin: PLACE, bytes: 4, total: null, modified_at }]);
  });
});

describe('a folder of the store', () => {
  it('may be missing or empty', async () => {
    await rm(test.layout.modelsDir, { recursive: true });
    expect(await listed()).toMatchObject({ models: [], partials: [], problems: [] });
  });

  it.skipIf(process.getuid?.() === 0)('that cannot be read is a problem, and does not hide the others', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    const other = join(test.layout.modelsDir, 'models--org--other', 'blobs');
    await mkdir(other, { recursive: true });
    await chmod(other, 0);
    const { refs, problems } = await listed();
    expect([refs.length, problems.length]).toEqual([1, 1]);
    await chmod(other, 0o755);
  });

  it('that is a file instead does not hide the others', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    await mkdir(join(test.layout.modelsDir, 'models--org--other'));
    await writeFile(join(test.layout.modelsDir, 'models--org--other', 'snapshots'), '');
    await writeFile(join(test.layout.modelsDir, 'models--org--file'), '');
    expect((await listed()).refs).toHaveLength(1);
  });
});
