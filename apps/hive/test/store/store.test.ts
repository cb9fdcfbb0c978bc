import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { modelIdOf } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLayout } from '../../src/store/layout.ts';
import { openStore, type Store } from '../../src/store/store.ts';

const PLACE = 'hf:org/model';
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const CONTENT = Buffer.from('weights');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let folder: TempDir;
let store: Store;
beforeEach(async () => {
  folder = await tempDir();
  store = await openStore(createLayout(join(folder.path, 'hub')));
});
afterEach(() => folder.remove());

async function putBlob(name: string, content = CONTENT): Promise<void> {
  const path = store.layout.blob(PLACE, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

describe('the layout', () => {
  it("is the Hugging Face cache's", () => {
    const { layout } = store;
    const root = join(folder.path, 'hub', 'models--org--model');
    expect(layout.blob(PLACE, SHA256)).toBe(join(root, 'blobs', SHA256));
    expect(layout.snapshotFile(PLACE, COMMIT, 'sub/m.gguf')).toBe(join(root, 'snapshots', COMMIT, 'sub/m.gguf'));
    expect(layout.ref(PLACE, 'refs/pr/1')).toBe(join(root, 'refs', 'refs/pr/1'));
    expect(layout.linkTarget('m.gguf', SHA256)).toBe(`../../blobs/${SHA256}`);
    expect(layout.linkTarget('sub/m.gguf', SHA256)).toBe(`../../../blobs/${SHA256}`);
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
});

describe('a published file', () => {
  it('is a link to its blob, with the revision pointing at the commit', async () => {
    await putBlob(SHA256);
    const path = await store.publish(PLACE, 'main', COMMIT, [{ path: 'sub/m.gguf', blobName: SHA256 }]);
    expect(await readlink(path)).toBe(`../../../blobs/${SHA256}`);
    expect(await readFile(path)).toEqual(CONTENT);
    expect(await readFile(store.layout.ref(PLACE, 'main'), 'utf8')).toBe(COMMIT);
  });

  it('is put again without harm, and over what stood in its place', async () => {
    await putBlob(SHA256);
    const path = store.layout.snapshotFile(PLACE, COMMIT, 'm.gguf');
    await mkdir(dirname(path), { recursive: true });
    await symlink('../../blobs/gone', path);
    for (let times = 0; times < 2; times += 1) {
      await store.publish(PLACE, COMMIT, COMMIT, [{ path: 'm.gguf', blobName: SHA256 }]);
      expect(await readlink(path)).toBe(`../../blobs/${SHA256}`);
    }
    await expect(lstat(join(store.layout.placeFolder(PLACE), 'refs'))).rejects.toThrow('ENOENT');
  });
});

describe('a store that cannot be written', () => {
  it('says so, with what to do', async () => {
    await putBlob(SHA256);
    // A file where a folder must be: it fails for whoever runs the test, root too.
    await writeFile(join(store.layout.placeFolder(PLACE), 'snapshots'), '');
    await expect(store.publish(PLACE, 'main', COMMIT, [{ path: 'm.gguf', blobName: SHA256 }])).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      hint: expect.any(String),
    });
  });
});

describe('many at once', () => {
  it('publish the same revision and the same file, and none fails', async () => {
    await putBlob(SHA256);
    const files = Array.from({ length: 30 }, (_, index) => ({ path: `m-${index % 5}.gguf`, blobName: SHA256 }));
    await Promise.all(files.map((file) => store.publish(PLACE, 'main', COMMIT, [file])));
    expect(await readFile(store.layout.ref(PLACE, 'main'), 'utf8')).toBe(COMMIT);
    expect(await store.list()).toHaveLength(5);
    expect(await readdir(join(store.layout.placeFolder(PLACE), 'refs'))).toEqual(['main']);
  });
});

describe('blobs', () => {
  it('are there when their size is right', async () => {
    expect(await store.hasBlob(PLACE, SHA256, CONTENT.length)).toBe(false);
    await putBlob(SHA256);
    expect(await store.hasBlob(PLACE, SHA256, CONTENT.length)).toBe(true);
    expect(await store.hasBlob(PLACE, SHA256, null)).toBe(true);
    expect(await store.hasBlob(PLACE, SHA256, CONTENT.length + 1)).toBe(false);
  });

  it('have a sha256 whatever they are named', async () => {
    await putBlob('a'.repeat(40));
    expect(await store.sha256OfBlob(PLACE, 'a'.repeat(40))).toBe(SHA256);
    expect(await store.sha256OfBlob(PLACE, SHA256)).toBe(SHA256);
  });
});

describe('the list of models', () => {
  it('shows what is complete, by its pinned ref, and nothing else', async () => {
    await putBlob(SHA256);
    await putBlob(`${'b'.repeat(64)}.rbee.incomplete`);
    await store.publish(PLACE, 'main', COMMIT, [{ path: 'sub/m.gguf', blobName: SHA256 }]);
    await symlink('../../blobs/gone', store.layout.snapshotFile(PLACE, COMMIT, 'broken.gguf'));
    await mkdir(join(store.layout.modelsDir, 'datasets--org--data', 'snapshots'), { recursive: true });
    const model_ref = `hf:org/model@${COMMIT}::file=sub/m.gguf`;
    expect(await store.list()).toEqual([
      {
        model_id: modelIdOf(model_ref),
        model_ref,
        bytes: CONTENT.length,
        files: 1,
        path: store.layout.snapshotFile(PLACE, COMMIT, 'sub/m.gguf'),
        modified_at: expect.any(String),
      },
    ]);
  });

  it('does not follow a link out of the store', async () => {
    const secret = join(folder.path, 'secret');
    await writeFile(secret, 'secret');
    const path = store.layout.snapshotFile(PLACE, COMMIT, 'm.gguf');
    await mkdir(dirname(path), { recursive: true });
    await symlink(secret, path);
    expect(await store.list()).toEqual([]);
  });

  it('is empty where there is nothing', async () => {
    await rm(store.layout.modelsDir, { recursive: true });
    await mkdir(store.layout.modelsDir);
    expect(await store.list()).toEqual([]);
  });
});
