import { createHash } from 'node:crypto';
import { readdir, readlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { digestFile } from '../../src/index.ts';

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

async function put(size: number): Promise<{ path: string; content: Buffer }> {
  const path = join(folder.path, 'file');
  const content = Buffer.alloc(size, 'content');
  await writeFile(path, content);
  return { path, content };
}

/** Whether a thread of this process has it open. */
async function isOpen(path: string): Promise<boolean> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.includes(path);
}

describe('the digest of a file', () => {
  it.each([
    ['an empty one', 0],
    ['a small one', 1_000],
    ['a large one', 5_000_000],
  ])('is right for %s, with git’s if requested', async (_, size) => {
    const { path, content } = await put(size);
    const { signal } = new AbortController();
    const sha256 = createHash('sha256').update(content).digest('hex');
    const gitSha1 = createHash('sha1').update(`blob ${size}\0`).update(content).digest('hex');
    expect(await digestFile(path, { isGit: true, size, signal })).toEqual({ sha256, gitSha1 });
    expect(await digestFile(path, { isGit: false, size, signal })).toEqual({ sha256, gitSha1: null });
  });

  it.each([1_000, 5_000_000])('fails if the file of %i bytes is shorter or missing', async (size) => {
    const { path } = await put(size - 1);
    const { signal } = new AbortController();
    await expect(digestFile(path, { isGit: false, size, signal })).rejects.toThrow('shorter');
    await expect(digestFile(`${path}-none`, { isGit: false, size, signal })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.runIf(process.platform === 'linux')(
    '[J2] of a size that takes hours to read ends with an abort while it is read',
    async () => {
      const path = join(folder.path, 'huge');
      const size = 2 ** 40;
      await writeFile(path, '');
      await truncate(path, size);
      const controller = new AbortController();
      const running = digestFile(path, { isGit: true, size, signal: controller.signal });
      await vi.waitFor(async () => expect(await isOpen(path)).toBe(true), { timeout: 20_000 });
      const reason = new Error('cancelled');
      controller.abort(reason);
      await expect(running).rejects.toBe(reason);
      expect(await isOpen(path)).toBe(false);
    },
  );

  it.each([1_000, 50_000_000])('[J2] ends immediately with the reason of an abort, for %i bytes', async (size) => {
    const { path } = await put(size);
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const running = digestFile(path, { isGit: false, size, signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(digestFile(path, { isGit: false, size, signal: controller.signal })).rejects.toBe(reason);
  });
});
