import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, rm } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract/plain';

/** The partial was deleted while it was written: what is written from here on would be lost. */
export class LostNameError extends Error {}

/**
 * Opens or creates a file that nothing else leads to. A symbolic link, a second name or a device in its place is removed: in a shared folder
 * it could lead the bytes into a file elsewhere.
 * @returns `wasForeign`: whether such a thing was removed
 */
export async function openOwn(path: string): Promise<{ handle: FileHandle; wasForeign: boolean }> {
  const found = await statsOf(path);
  const wasForeign = found !== null && !isOwn(found);
  if (wasForeign) await rm(path);
  const create = found === null || wasForeign ? constants.O_CREAT | constants.O_EXCL : 0;
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | create, 0o666);
  try {
    // What was looked at may have been replaced since.
    if (!isOwn(await handle.stat())) throw new Error('the partial is no file of its own');
    return { handle, wasForeign };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws LostNameError if the open file is no longer in its folder */
export async function assertNamed(handle: Pick<FileHandle, 'stat'>, path: string): Promise<void> {
  const [{ nlink }, named] = await Promise.all([handle.stat(), statsOf(path)]);
  // Some file systems count no names at all: there only the name itself tells.
  if (named === null || (nlink === 0 && named.nlink > 0)) throw new LostNameError(`${path} was deleted`);
}

function isOwn(stats: Stats): boolean {
  return stats.isFile() && stats.nlink <= 1;
}

async function statsOf(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
