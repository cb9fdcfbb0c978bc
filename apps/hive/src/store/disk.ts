import { randomUUID } from 'node:crypto';
import { open, readlink, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract';
import { makeFolder, syncFolder } from '@rbee/transfer';

/**
 * The changes that a store makes to its disk, each whole or not at all. Handed in, so that a test can stop after any of
 * them and look at what a crash would leave.
 */
export interface Disk {
  /** Makes a link, over whatever stood there. Durable after `syncFolder`. */
  putLink(path: string, target: string): Promise<void>;
  /** Puts a small file in place, durably: after a crash there is the old one or the new one. */
  putText(path: string, text: string): Promise<void>;
  /** Makes a folder with its parents, durably. */
  makeFolder(path: string): Promise<void>;
  /** Takes a file to another name in the same folder, over whatever stood there, durably. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a link itself; one that is gone is fine. Durable after `syncFolder`. */
  remove(path: string): Promise<void>;
  /** Removes a folder where it is empty; the answer is whether it is gone. */
  removeEmptyFolder(path: string): Promise<boolean>;
  /** Makes the names in a folder durable; one that is gone is fine. */
  syncFolder(path: string): Promise<void>;
}

export const realDisk: Disk = { putLink, putText, makeFolder, rename: move, remove, removeEmptyFolder, syncFolder };

/** The answer, or `otherwise` where the thing is not there. */
export async function ifThere<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return otherwise;
    throw error;
  }
}

async function putLink(path: string, target: string): Promise<void> {
  await makeFolder(dirname(path));
  try {
    await symlink(target, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if ((await readlinkOrNull(path)) === target) return;
    const temporary = temporaryName(path);
    await symlink(target, temporary);
    await rename(temporary, path);
  }
}

async function readlinkOrNull(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return null;
    throw error;
  }
}

async function putText(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await remove(temporary);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

async function remove(path: string): Promise<void> {
  await ifThere(unlink(path), undefined);
}

async function removeEmptyFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return true;
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/** A name of its own for each writer: two downloads may publish the same revision at once. */
function temporaryName(path: string): string {
  return `${path}.${randomUUID()}.incomplete`;
}
