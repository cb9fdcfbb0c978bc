import { lstat, mkdir, readdir, readFile, readlink, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { COMMIT, gitSha1Of, openTestStore, PLACE, sha256Of, type TestStore } from './support.ts';

const CONTENT = 'weights';
const SHA256 = sha256Of(CONTENT);
const FILE = { path: 'm.gguf', blobName: SHA256, sha256: SHA256 };
const WANTED = { ...FILE, size: null, gitSha1: null };

let test: TestStore;
let store: Store;
beforeEach(async () => {
  test = await openTestStore();
  store = test.store;
});
afterEach(() => test.folder.remove());

function publish(files: readonly (typeof FILE)[], revision = 'main'): Promise<string> {
  return store.publish({ place: PLACE, revision, commit: COMMIT, modelRef: `hf:org/model@${COMMIT}`, files });
}

describe('the layout', () => {
  it("is the Hugging Face cache's", () => {
    const { layout } = store;
    const root = join(test.folder.path, 'hub', 'models--org--model');
    expect(layout.blob(PLACE, SHA256)).toBe(join(root, 'blobs', SHA256));
    expect(layout.snapshotFile(PLACE, COMMIT, 'sub/m.gguf')).toBe(join(root, 'snapshots', COMMIT, 'sub/m.gguf'));
    expect(layout.ref(PLACE, 'refs/pr/1')).toBe(join(root, 'refs', 'refs/pr/1'));
    expect(layout.linkTarget('m.gguf', SHA256)).toBe(`../../blobs/${SHA256}`);
    expect(layout.linkTarget('sub/m.gguf', SHA256)).toBe(`../../../blobs/${SHA256}`);
  });

  it('[E2] keeps files of other sources and all records in the models folder, in folders that are repos of a cache', () => {
    const root = join(test.folder.path, 'hub', 'models--rbee.https--host-abc');
    expect(store.layout.placeFolder('https:host-abc')).toBe(root);
    expect(store.layout.catalogFolder('https:host-abc')).toBe(join(root, '.rbee'));
  });

  it('[E2] never takes a repo of a hub for the place of another source', () => {
    expect(() => store.layout.placeFolder('hf:rbee.https/host-abc')).toThrow(/cannot be stored/);
    expect(store.layout.placeOfFolder('models--rbee.https--host-abc')).toBe('https:host-abc');
    expect(store.layout.placeOfFolder('models--rbee.ftp--x')).toBe('hf:rbee.ftp/x');
  });

  it.each([
    ['a repo', (name: string) => store.layout.placeFolder(`hf:${name}`)],
    ['a place', (name: string) => store.layout.placeFolder(`https:${name}`)],
    ['a scheme', (name: string) => store.layout.placeFolder(`${name}:x`)],
    ['a blob', (name: string) => store.layout.blob(PLACE, name)],
    ['a commit', (name: string) => store.layout.snapshotFolder(PLACE, name)],
    ['a path', (name: string) => store.layout.snapshotFile(PLACE, COMMIT, name)],
    ['a revision', (name: string) => store.layout.ref(PLACE, name)],
    ['a link', (name: string) => store.layout.linkTarget('x', name)],
  ])('never builds a path outside the store from the name of %s', (_, build) => {
    for (const name of ['../../etc/passwd', '..', '/etc/passwd', 'a/../../../b', 'C:\\x', 'a\0b', '', 'a/b/../..']) {
      expect(() => build(name), name).toThrow(expect.objectContaining({ code: 'DOWNLOAD_FAILED' }));
    }
  });

  it.each(['x.incomplete', 'x.rbee-partial', 'x.rbee-journal-live', 'x.rbee-new'])(
    'never names a blob like an incomplete file: %s',
    (name) => {
      expect(() => store.layout.blob(PLACE, name)).toThrow(expect.objectContaining({ code: 'DOWNLOAD_FAILED' }));
    },
  );

  it('[G3] gives nothing the end that "hf cache prune" deletes', () => {
    const { layout } = store;
    const names = [
      layout.partial(PLACE, 'x'),
      layout.damaged(PLACE, 'x'),
      layout.trialFile('data'),
      layout.trialFile('link'),
    ];
    for (const name of names) expect(name).toMatch(/\.rbee-[a-z]+$/);
  });

  it('recognises its own folders and no others', () => {
    const { layout } = store;
    expect(layout.placeOfFolder('models--org--model')).toBe(PLACE);
    expect(layout.placeOfFolder('models--gpt2')).toBe('hf:gpt2');
    for (const name of [
      'datasets--org--data',
      'models--',
      'models--gpt--',
      'models--a--b--c',
      'models--..--x',
      '.locks',
    ]) {
      expect([name, layout.placeOfFolder(name)]).toEqual([name, null]);
    }
  });
});

describe('a published model', () => {
  it('is a link to each blob, with the revision pointing at the commit', async () => {
    await test.putBlob(CONTENT);
    const path = await publish([{ ...FILE, path: 'sub/m.gguf' }]);
    expect(await readlink(path)).toBe(`../../../blobs/${SHA256}`);
    expect(await readFile(path, 'utf8')).toBe(CONTENT);
    expect(await readFile(store.layout.ref(PLACE, 'main'), 'utf8')).toBe(COMMIT);
  });

  it('can be published again, and replaces whatever was in its place', async () => {
    await test.putBlob(CONTENT);
    const path = store.layout.snapshotFile(PLACE, COMMIT, 'm.gguf');
    await mkdir(dirname(path), { recursive: true });
    await symlink('../../blobs/gone', path);
    for (let times = 0; times < 2; times += 1) {
      await publish([FILE], COMMIT);
      expect(await readlink(path)).toBe(`../../blobs/${SHA256}`);
    }
    // Only the folder, which cache scanners require: a commit never moves, so it needs no ref.
    expect(await readdir(store.layout.refsFolder(PLACE))).toEqual([]);
  });

  it('is refused when one of its blobs is gone', async () => {
    await expect(publish([FILE])).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE' });
    await expect(lstat(store.layout.snapshotsFolder(PLACE))).rejects.toThrow('ENOENT');
  });

  it('fails with a hint when the store cannot be written', async () => {
    await test.putBlob(CONTENT);
    // A file in place of the folder: that fails for every user, including root.
    await writeFile(store.layout.snapshotsFolder(PLACE), '');
    await expect(publish([FILE])).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE', hint: expect.any(String) });
    const { signal } = new AbortController();
    await expect(store.acquirePlace(PLACE, signal)).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE' });
    // A failed acquire holds no lock.
    await expect(store.acquirePlace(PLACE, signal)).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE' });
  });

  it('can be published by many concurrently, and none fails', async () => {
    await test.putBlob(CONTENT);
    const paths = Array.from({ length: 30 }, (_, index) => `m-${index % 5}.gguf`);
    const publishOne = (path: string) => {
      const modelRef = `hf:org/model@${COMMIT}::file=${path}`;
      return store.publish({ place: PLACE, revision: 'main', commit: COMMIT, modelRef, files: [{ ...FILE, path }] });
    };
    await Promise.all(paths.map(publishOne));
    expect(await readFile(store.layout.ref(PLACE, 'main'), 'utf8')).toBe(COMMIT);
    expect((await store.list()).models).toHaveLength(5);
    expect(await readdir(store.layout.refsFolder(PLACE))).toEqual(['main']);
    expect((await readdir(store.layout.catalogFolder(PLACE))).every((name) => name.endsWith('.json'))).toBe(true);
  });
});

describe('blobs', () => {
  it('are present if they are files of the right size', async () => {
    const found = async (size: number | null, blobName = SHA256) =>
      (await store.findFile(PLACE, COMMIT, { ...WANTED, blobName, size })) !== null;
    expect(await found(CONTENT.length)).toBe(false);
    await test.putBlob(CONTENT);
    expect(await found(CONTENT.length)).toBe(true);
    expect(await found(null)).toBe(true);
    expect(await found(CONTENT.length + 1)).toBe(false);
    await mkdir(store.layout.blob(PLACE, 'a-folder'));
    expect(await found(null, 'a-folder')).toBe(false);
  });

  it('have a sha256 whatever they are named', async () => {
    const name = await test.putBlob(CONTENT, { isGit: true });
    expect(name).toBe(gitSha1Of(CONTENT));
    const { signal } = new AbortController();
    await test.putBlob(CONTENT);
    for (const blobName of [name, SHA256]) {
      const present = { path: store.layout.blob(PLACE, blobName), bytes: CONTENT.length, isBlob: true };
      expect(await store.sha256Of(PLACE, present, { ...WANTED, blobName }, signal)).toBe(SHA256);
    }
  });

  it('are no longer hashed after an abort', async () => {
    const name = await test.putBlob(CONTENT, { isGit: true });
    // Sparse, and so large that hashing it would outlast the test.
    await truncate(store.layout.blob(PLACE, name), 2 ** 38);
    const controller = new AbortController();
    const present = { path: store.layout.blob(PLACE, name), bytes: 2 ** 38, isBlob: true };
    const hashed = store.sha256Of(PLACE, present, { ...WANTED, blobName: name }, controller.signal);
    const reason = new Error('cancelled');
    setImmediate(() => controller.abort(reason));
    await expect(hashed).rejects.toBe(reason);
  });

  it('count in full, by the journal of a partial, or not at all', async () => {
    await test.putBlob(CONTENT);
    const unknown = { ...WANTED, size: 10, sha256: null };
    await writeFile(store.layout.partial(PLACE, 'without-journal'), 'xxx');
    const present = await store.presentBytes(PLACE, COMMIT, [
      { ...unknown, size: CONTENT.length },
      { ...unknown, size: CONTENT.length + 1 },
      { ...unknown, blobName: 'without-journal' },
      { ...unknown, blobName: 'not-there' },
    ]);
    expect(present).toEqual([CONTENT.length, 0, 0, 0]);
    expect(await store.presentBytes('hf:org/never-seen', COMMIT, [unknown])).toEqual([0]);
  });
});
