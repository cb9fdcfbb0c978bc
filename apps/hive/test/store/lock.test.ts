import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockStore } from '../../src/store/lock.ts';

let folder: TempDir;
let path: string;
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, '.locks', 'rbee-hive.lock');
  await mkdir(dirname(path));
});
afterEach(() => folder.remove());

describe("a store's lock", () => {
  it('holds the pid, and is gone when released', async () => {
    const lock = await lockStore(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ pid: process.pid });
    await lock.release();
    expect(await readdir(dirname(path))).toEqual([]);
  });

  it('of a process that lives is refused, with its pid', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    await writeFile(path, JSON.stringify({ pid: child.pid }));
    await expect(lockStore(path)).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining(`pid ${child.pid}`),
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await lockStore(path)).release();
  });

  it.each([
    ['an earlier life of the same pid, as in a container', JSON.stringify({ pid: process.pid })],
    ['nobody can read', '{"pid":'],
    ['nobody owns', '{"pid":-1}'],
    ['is empty', ''],
  ])('that %s left is taken over', async (_, content) => {
    await writeFile(path, content);
    const lock = await lockStore(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ pid: process.pid });
    await lock.release();
  });

  it('in a folder that cannot be made says what to do', async () => {
    const file = join(folder.path, 'a-file');
    await writeFile(file, '');
    await expect(lockStore(join(file, '.locks', 'x.lock'))).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      hint: expect.stringMatching(/--models-dir/),
    });
  });
});
