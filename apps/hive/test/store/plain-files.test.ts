import { lstat, readdir, readFile } from 'node:fs/promises';
import { scanCacheDir } from '@huggingface/hub';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Disk, realDisk } from '../../src/store/disk.ts';
import type { Store } from '../../src/store/store.ts';
import { COMMIT, createFailingDisk, openTestStore, PLACE, sha256Of, type TestStore } from './support.ts';

// Goal: a file system without symbolic links holds models as well as any. Method: a disk that refuses links with each of
// the codes that such file systems use; all else is real.

const REF = `hf:org/model@${COMMIT}`;
const FILES = [
  { path: 'a.gguf', content: 'weights' },
  { path: 'same.gguf', content: 'weights' },
  { path: 'sub/config.json', content: '{}', isGit: true },
];

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
});
afterEach(() => test.folder.remove());

const withoutLinks = (code: string, disk: Disk = realDisk): Disk => ({
  ...disk,
  async putLink() {
    throw Object.assign(new Error(`${code}: no links`), { code });
  },
});

async function verified(store: Store): Promise<readonly unknown[]> {
  const signal = new AbortController().signal;
  const model = await store.find(modelIdOf(REF));
  return (await store.verify(model, { signal, onFile: () => {}, known: new Map() })).problems;
}

describe('a file system without links', () => {
  it.each(['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'])(
    '[E4] that says %s gets plain files in the snapshot',
    async (code) => {
      const store = await test.reopen(withoutLinks(code));
      const path = await test.download(FILES, { modelRef: REF, store });
      expect(path).toBe(test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'));
      for (const file of FILES) {
        const onDisk = test.layout.snapshotFile(PLACE, COMMIT, file.path);
        expect((await lstat(onDisk)).isFile()).toBe(true);
        expect(await readFile(onDisk, 'utf8')).toBe(file.content);
      }
      expect(await readdir(test.layout.blobsFolder(PLACE))).toEqual([]);
    },
  );

  it('[E4] lists, verifies, finds, prunes and removes the model', async () => {
    const store = await test.reopen(withoutLinks('EPERM'));
    await test.download(FILES, { modelRef: REF, store });
    expect((await store.list()).models).toMatchObject([{ model_ref: REF, files: 3, bytes: 16 }]);
    expect(await verified(store)).toEqual([]);
    const wanted = {
      path: 'a.gguf',
      blobName: sha256Of('weights'),
      size: 7,
      sha256: sha256Of('weights'),
      gitSha1: null,
    };
    expect(await store.presentBytes(PLACE, COMMIT, [wanted])).toEqual([7]);
    expect(await store.findFile(PLACE, COMMIT, wanted)).toMatchObject({ isBlob: false, bytes: 7 });
    test.clock.advance(100 * 3_600_000);
    expect((await test.prune()).removed).toEqual([]);
    expect((await scanCacheDir(test.layout.modelsDir)).warnings).toEqual([]);
    expect(await store.remove(modelIdOf(REF))).toMatchObject({ freed_bytes: 16 });
    expect(await readdir(test.layout.modelsDir)).toEqual([]);
  });

  it('[E4] keeps what is there when the model is published again', async () => {
    const store = await test.reopen(withoutLinks('EPERM'));
    await test.download(FILES, { modelRef: REF, store });
    const before = await lstat(test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'));
    const files = FILES.map(({ path, content }) => ({ path, blobName: sha256Of(content), sha256: sha256Of(content) }));
    await store.publish({ place: PLACE, revision: 'main', commit: COMMIT, modelRef: REF, files });
    expect((await lstat(test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'))).ino).toBe(before.ino);
  });

  it('[E4] puts a damaged file aside, and takes a new one', async () => {
    const store = await test.reopen(withoutLinks('EPERM'));
    await test.download([{ path: 'a.gguf', content: 'weighty' }], { modelRef: `${REF}::file=a.gguf`, store });
    const signal = new AbortController().signal;
    const find = () => store.find(modelIdOf(`${REF}::file=a.gguf`));
    const [path, damaged] = [test.layout.snapshotFile(PLACE, COMMIT, 'a.gguf'), 'weightx'];
    await realDisk.putText(path, damaged, test.layout.catalogFolder(PLACE));
    const verify = async () => store.verify(await find(), { signal, onFile: () => {}, known: new Map() });
    expect(await verify()).toMatchObject({ ok: false });
    expect((await store.list()).models).toEqual([]);
    await test.download([{ path: 'a.gguf', content: 'weighty' }], { modelRef: `${REF}::file=a.gguf`, store });
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('[E4] never has a listed model without its bytes, wherever a crash comes', async () => {
    for (let changes = 0; ; changes += 1) {
      const { disk, hasFailed } = createFailingDisk(changes);
      const store = await test.reopen(withoutLinks('EPERM', disk));
      await test.download(FILES, { modelRef: REF, store }).catch(() => {});
      const next = await test.reopen(withoutLinks('EPERM'));
      for (const { model_id } of (await next.list()).models) {
        const signal = new AbortController().signal;
        const model = await next.find(model_id);
        expect((await next.verify(model, { signal, onFile: () => {}, known: new Map() })).problems).toEqual([]);
      }
      await test.download(FILES, { modelRef: REF, store: next });
      expect(await verified(next)).toEqual([]);
      await next.remove(modelIdOf(REF));
      if (!hasFailed()) break;
      expect(changes).toBeLessThan(200);
    }
  });
});
