import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeFolder, syncFolder } from '../../src/index.ts';

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

describe('syncing a folder', () => {
  test.runIf(process.platform === 'linux').each(['/proc', '/proc/self/fd', '/sys'])(
    '[E5] is harmless where the file system cannot (EINVAL): %s',
    async (path) => {
      await expect(syncFolder(path)).resolves.toBeUndefined();
    },
  );

  test('[E5] is harmless if the folder is gone, or is a file', async () => {
    await expect(syncFolder(join(folder.path, 'none'))).resolves.toBeUndefined();
    await writeFile(join(folder.path, 'file'), '');
    await expect(syncFolder(join(folder.path, 'file', 'below'))).resolves.toBeUndefined();
  });

  test('[E5] is an error for any other reason', async () => {
    await symlink('loop', join(folder.path, 'loop'));
    await expect(syncFolder(join(folder.path, 'loop'))).rejects.toMatchObject({ code: 'ELOOP' });
  });

  test('of a new folder with its parents, which may be made again', async () => {
    const path = join(folder.path, 'a', 'b', 'c');
    await makeFolder(path);
    await makeFolder(path);
    expect(await readdir(join(folder.path, 'a', 'b'))).toEqual(['c']);
    await rm(path, { recursive: true });
    await mkdir(path);
    await makeFolder(path);
  });
});
