import { mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelId, modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, OTHER_COMMIT, openTestStore, PLACE, sha256Of, type TestStore } from '../support.ts';

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

const idOf = (rest: string): ModelId => modelIdOf(`hf:org/model@${rest}`);

async function refs(): Promise<string[]> {
  return (await test.store.list()).models.map(({ model_ref }) => model_ref).sort();
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}

describe('removing a model', () => {
  it('[G5] frees all of it, and leaves no folder behind', async () => {
    await test.download([
      { path: 'deep/er/a.gguf', content: 'weights' },
      { path: 'config.json', content: '{}', isGit: true },
    ]);
    const id = idOf(`${COMMIT}::file=deep/er/a.gguf::file=config.json`);
    expect(await test.store.remove(id)).toEqual({
      model_id: id,
      model_ref: expect.stringMatching(/^hf:org\/model@/),
      freed_bytes: 9,
      shared_bytes: 0,
    });
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
    await expect(test.store.remove(id)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', hint: /model list/ });
  });

  it('keeps what another model of the catalog uses: the same file, or the same blob in another commit', async () => {
    const [shared, own] = [
      { path: 'shared.bin', content: 'shared' },
      { path: 'own.bin', content: 'own' },
    ];
    await test.download([shared, own]);
    await test.download([shared]);
    await test.download([own], { commit: OTHER_COMMIT, revision: 'v2' });
    const removed = await test.store.remove(idOf(`${COMMIT}::file=shared.bin::file=own.bin`));
    expect(removed).toMatchObject({ freed_bytes: 0, shared_bytes: 9 });
    expect(await refs()).toEqual([
      `hf:org/model@${COMMIT}::file=shared.bin`,
      `hf:org/model@${OTHER_COMMIT}::file=own.bin`,
    ]);
    expect(await test.store.remove(idOf(`${COMMIT}::file=shared.bin`))).toMatchObject({ freed_bytes: 6 });
    expect(await readdir(test.layout.refsFolder(PLACE))).toEqual(['v2']);
    expect(await readdir(test.layout.snapshotsFolder(PLACE))).toEqual([OTHER_COMMIT]);
  });

  it('can be weighed first: what two models share is freed by the second of them', async () => {
    const shared = { path: 'shared.bin', content: 'shared' };
    await test.download([shared, { path: 'own.bin', content: 'own' }]);
    await test.download([shared]);
    const [both, alone] = [idOf(`${COMMIT}::file=shared.bin::file=own.bin`), idOf(`${COMMIT}::file=shared.bin`)];
    const before = await filesOf(test.layout.modelsDir);
    expect(await test.store.weighRemoval(both, [])).toMatchObject({ freed_bytes: 3, shared_bytes: 6 });
    expect(await test.store.weighRemoval(both, [alone])).toMatchObject({ freed_bytes: 9, shared_bytes: 0 });
    expect(await test.store.weighRemoval(alone, [both])).toMatchObject({ freed_bytes: 6, shared_bytes: 0 });
    expect(await filesOf(test.layout.modelsDir)).toEqual(before);
  });

  it('keeps blobs that any other link of the repo points to, and files of no model', async () => {
    await test.download([{ path: 'a.gguf', content: 'weights' }]);
    await test.putByHand([
      { path: 'copy.bin', content: 'weights' },
      { path: 'README.md', content: '#' },
    ]);
    const removed = await test.store.remove(idOf(`${COMMIT}::file=a.gguf`));
    expect(removed).toMatchObject({ freed_bytes: 0, shared_bytes: 7 });
    expect((await filesOf(test.layout.snapshotsFolder(PLACE))).sort()).toEqual(['README.md', 'copy.bin']);
    expect(await readdir(test.layout.blobsFolder(PLACE))).toContain(sha256Of('weights'));
  });

  it('removes the files of another tool, and keeps the files of a model in the catalog', async () => {
    await test.putByHand([
      { path: 'config.json', content: '{}' },
      { path: 'model.safetensors', content: 'weights' },
    ]);
    await test.download([{ path: 'config.json', content: '{}' }]);
    expect(await test.store.remove(idOf(COMMIT))).toMatchObject({ freed_bytes: 7, shared_bytes: 2 });
    expect(await refs()).toEqual([`hf:org/model@${COMMIT}::file=config.json`]);
  });

  it('removes the rest of an incomplete one, and its damaged blobs', async () => {
    await test.download([
      { path: 'a.bin', content: 'one' },
      { path: 'b.bin', content: 'two' },
    ]);
    const blob = test.layout.blob(PLACE, sha256Of('one'));
    await mkdir(test.layout.blobsFolder(PLACE), { recursive: true });
    await rename(blob, test.layout.damaged(PLACE, sha256Of('one')));
    expect(await test.store.remove(idOf(`${COMMIT}::file=a.bin::file=b.bin`))).toMatchObject({ freed_bytes: 3 });
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
  });

  it('[E7] does not touch files outside the store that links point to', async () => {
    const secret = join(test.folder.path, 'secret');
    await writeFile(secret, 'secret');
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    await symlink(secret, test.layout.snapshotFile(PLACE, COMMIT, 'b.gguf'));
    await test.store.remove(idOf(`${COMMIT}::file=a.gguf`));
    expect(await filesOf(test.folder.path)).toContain('secret');
  });

  it('is refused while a download uses the place', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    const id = idOf(`${COMMIT}::file=a.gguf`);
    const release = await test.store.acquirePlace(PLACE, new AbortController().signal);
    await expect(test.store.remove(id)).rejects.toMatchObject({ code: 'STATUS_CONFLICT', hint: /download list/ });
    expect(await refs()).toHaveLength(1);
    release();
    expect(await test.store.remove(id)).toMatchObject({ freed_bytes: 1 });
  });

  it('happens once when requested twice concurrently', async () => {
    await test.download([{ path: 'a.gguf', content: 'a' }]);
    const id = idOf(`${COMMIT}::file=a.gguf`);
    const answers = await Promise.allSettled([test.store.remove(id), test.store.remove(id)]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});
