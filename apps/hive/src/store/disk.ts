import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, open, readlink, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '@rbee/contract';
import { makeFolder, syncFolder } from '@rbee/transfer';

/**
 * The changes that a store makes to its disk, each atomic. Passed in, so that a test can stop after any of them and check
 * what a crash would leave. `scratch` is a folder of the same file system where a file can be incomplete: other tools take
 * whatever lies in `refs` or `snapshots` for complete.
 */
export interface Disk {
  /** Makes a link, replacing whatever is there. Durable after `syncFolder`. */
  putLink(path: string, target: string, scratch: string): Promise<void>;
  /** Writes a small file durably: after a crash there is the old one or the new one. */
  putText(path: string, text: string, scratch: string): Promise<void>;
  /** Copies a file durably, replacing whatever is there. */
  copy(from: string, to: string, scratch: string): Promise<void>;
  /** Makes a folder with its parents, durably. */
  makeFolder(path: string): Promise<void>;
  /** Renames a file or folder durably, replacing a file that is there. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a link itself; a missing one is fine. Durable after `syncFolder`. */
  remove(path: string): Promise<void>;
  /** Removes a folder if it is empty; returns whether it is gone. */
  removeEmptyFolder(path: string): Promise<boolean>;
  /** Makes the names in a folder durable; a missing folder is fine. */
  syncFolder(path: string): Promise<void>;
}

export const realDisk: Disk = {
  ...{ putLink, putText, copy, makeFolder, rename: move, remove, removeEmptyFolder, syncFolder },
};

/** The result of a file operation, or `fallback` if the file does not exist. */
export async function ifExists<T, U>(work: Promise<T>, fallback: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return fallback;
    throw error;
  }
}

async function putLink(path: string, target: string, scratch: string): Promise<void> {
  await makeFolder(dirname(path));
  try {
    await symlink(target, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if ((await readlinkOrNull(path)) === target) return;
    await makeFolder(scratch);
    const temporary = temporaryName(scratch);
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

function putText(path: string, text: string, scratch: string): Promise<void> {
  return putFile(path, scratch, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

function copy(from: string, to: string, scratch: string): Promise<void> {
  return putFile(to, scratch, async (temporary) => {
    await copyFile(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const file = await open(temporary, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

async function putFile(path: string, scratch: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await makeFolder(dirname(path));
  await makeFolder(scratch);
  const temporary = temporaryName(scratch);
  try {
    await write(temporary);
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
  await ifExists(unlink(path), undefined);
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

/** Unique for each writer: two downloads may publish the same revision concurrently. */
function temporaryName(scratch: string): string {
  return join(scratch, `${randomUUID()}.rbee-new`);
}
