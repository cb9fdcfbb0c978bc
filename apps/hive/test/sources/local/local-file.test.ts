import { execFileSync } from 'node:child_process';
import { utimesSync } from 'node:fs';
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type FileRef, parseModelRef } from '@rbee/contract';
import { NASTY_NAMES, tempDir } from '@rbee/testing';
import type { TransferState } from '@rbee/transfer';
import { afterEach, describe, expect, it } from 'vitest';
import { copyLocal } from '../../../src/sources/local/copy-local.ts';
import { createLocalFiles } from '../../../src/sources/local/local-file.ts';
import { createLayout } from '../../../src/store/layout.ts';
import { sha256Of } from '../conformance.ts';

const CONTENT = Buffer.alloc(300_000, 'content');
const source = createLocalFiles();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function setUp(content: Buffer = CONTENT) {
  const folder = await tempDir();
  closing.push(() => folder.remove());
  const path = join(folder.path, 'model.gguf');
  await writeFile(path, content);
  await utimes(path, 1_700_000_000, 1_700_000_000);
  const store = join(folder.path, 'store');
  const states: TransferState[] = [];
  const finalPath = join(store, 'blob');
  const copy = async (
    options: { signal?: AbortSignal; sha256?: string; onState?: (state: TransferState) => void } = {},
  ) => {
    const { local: original } = (await resolve(path)).files[0];
    if (original === undefined) throw new Error('not of this machine');
    const { sha256 = null, signal = AbortSignal.timeout(15_000), onState = () => {} } = options;
    return copyLocal(
      { original, partialPath: `${finalPath}.rbee-partial`, finalPath, sha256, name: 'model.gguf' },
      {
        signal,
        onState(state) {
          states.push(state);
          onState(state);
        },
      },
    );
  };
  return { folder: folder.path, path, store, finalPath, states, copy };
}

function resolve(path: string) {
  return source.resolve(parseModelRef(`file://${path}`) as FileRef, AbortSignal.timeout(15_000));
}

describe('a file of this machine', () => {
  it('is named by its path and time, and keeps its ref', async () => {
    const { path } = await setUp();
    const model = await resolve(path);
    expect(model.place).toMatch(/^file:model\.gguf--[0-9a-f]{12}$/);
    expect(model.files[0]).toMatchObject({ path: 'model.gguf', size: 300_000, blobName: `version-${model.commit}` });
    expect(model.pinnedRef('a'.repeat(64))).toBe(`file://${path}`);
  });

  it('is copied, hashed and reported, and is a separate file', async () => {
    const { path, finalPath, states, copy, store } = await setUp();
    expect(await copy()).toBe(sha256Of(CONTENT));
    expect((await readFile(finalPath)).equals(CONTENT)).toBe(true);
    expect(states.at(-1)).toMatchObject({ phase: 'verifying', bytes: 300_000, total: 300_000 });
    await appendFile(path, 'more');
    expect((await stat(finalPath)).size).toBe(300_000);
    expect(await readdir(store)).toEqual(['blob']);
  });

  it('that nobody may write to is linked or cloned', async () => {
    const { path, finalPath, copy, states } = await setUp();
    await chmod(path, 0o444);
    expect(await copy()).toBe(sha256Of(CONTENT));
    const [original, stored] = await Promise.all([stat(path), stat(finalPath)]);
    const isClone = original.ino !== stored.ino;
    expect(stored.nlink).toBe(isClone ? 1 : 2);
    expect(states.map(({ phase }) => phase)).not.toContain('downloading');
  });

  it('without a byte is copied too', async () => {
    const { finalPath, copy } = await setUp(Buffer.alloc(0));
    expect(await copy()).toBe(sha256Of(Buffer.alloc(0)));
    expect((await stat(finalPath)).size).toBe(0);
  });

  it('behind a symbolic link is the target of the link', async () => {
    const { folder, path } = await setUp();
    await symlink(path, join(folder, 'link.gguf'));
    expect((await resolve(join(folder, 'link.gguf'))).files[0].size).toBe(300_000);
  });
});

describe('what is refused', () => {
  it('is a folder, a device, a pipe, a dangling link, and a missing file', async () => {
    const { folder } = await setUp();
    await mkdir(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await symlink('nowhere', join(folder, 'dangling'));
    await symlink('circle', join(folder, 'circle'));
    await expect(resolve(join(folder, 'folder'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', message: /folder/ });
    await expect(resolve('/dev/zero')).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    await expect(resolve(join(folder, 'pipe'))).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    for (const name of ['dangling', 'circle', 'nothing', 'model.gguf/below']) {
      await expect(resolve(join(folder, name))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    }
  });

  it.skipIf(process.getuid?.() === 0)('is what the hive may not read', async () => {
    const { path } = await setUp();
    await chmod(path, 0o000);
    await expect(resolve(path)).rejects.toMatchObject({ code: 'MODEL_ACCESS_DENIED' });
  });

  it('is content with another digest, and nothing of it stays', async () => {
    const { copy, store } = await setUp();
    await expect(copy({ sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await readdir(store)).toEqual([]);
  });

  it('is a file that changes during the copy, and nothing of it stays', async () => {
    const { path, copy, store } = await setUp();
    let isChanged = false;
    const onState = () => {
      if (isChanged) return;
      isChanged = true;
      utimesSync(path, new Date(), new Date());
    };
    await expect(copy({ onState })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await readdir(store)).toEqual([]);
  });

  it('is a file that was changed before the copy began', async () => {
    const { path } = await setUp();
    const { local } = (await resolve(path)).files[0];
    await truncate(path, 10);
    if (local === undefined) throw new Error('not of this machine');
    const to = { partialPath: `${path}.rbee-partial`, finalPath: `${path}.copy`, sha256: null, name: 'x' };
    const copied = copyLocal({ original: local, ...to }, { signal: AbortSignal.timeout(5_000), onState: () => {} });
    await expect(copied).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });
});

describe('an abort', () => {
  it('stops the copy, and the next one starts from the beginning', async () => {
    const { copy, finalPath, store } = await setUp(Buffer.alloc(40_000_000, 7));
    const controller = new AbortController();
    const reason = new Error('enough');
    const onState = ({ bytes }: TransferState) => {
      if (bytes > 0 && bytes < 40_000_000) controller.abort(reason);
    };
    await expect(copy({ signal: controller.signal, onState })).rejects.toBe(reason);
    expect(await readdir(store)).not.toContain('blob');
    expect(await copy()).toBe(sha256Of(Buffer.alloc(40_000_000, 7)));
    expect((await stat(finalPath)).size).toBe(40_000_000);
    expect(await readdir(store)).toEqual(['blob']);
  });
});

describe('the name', () => {
  it.each(NASTY_NAMES)('is safe in the store, or the ref is refused: $trick, $shown', async ({ name }) => {
    const { folder } = await setUp();
    const layout = createLayout(join(folder, 'hub'));
    let ref: FileRef;
    try {
      ref = parseModelRef(`file://${folder}/${name}`) as FileRef;
    } catch (error) {
      expect(error).toMatchObject({ code: 'MODEL_REF_INVALID' });
      return;
    }
    expect(ref.path.startsWith(`${folder}/`)).toBe(true);
    await mkdir(join(ref.path, '..'), { recursive: true });
    await writeFile(ref.path, CONTENT);
    const { place, commit, files } = await resolve(ref.path);
    const path = layout.snapshotFile(place, commit, files[0].path);
    expect(path.startsWith(`${layout.snapshotFolder(place, commit)}/`)).toBe(true);
    expect(layout.placeFolder(place).startsWith(join(folder, 'hub/models--rbee.file--'))).toBe(true);
  });
});
