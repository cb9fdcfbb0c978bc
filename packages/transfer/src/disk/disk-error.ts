import { dirname } from 'node:path';
import { errnoOf, formatBytes, RbeeError } from '@rbee/contract/plain';
import { freeBytesIn, hasNoInodes } from './disk-space.ts';

const FULL_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const OBSTRUCTED_CODES: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR']);
const REFUSED_CODES: ReadonlySet<string> = new Set([
  'EACCES',
  'ENOENT',
  'EPERM',
  'EROFS',
  'ENAMETOOLONG',
  'ELOOP',
  'EXDEV',
  'EIO',
]);

/**
 * Translates the error of a file operation: `DISK_FULL` with numbers, `STORE_NOT_WRITABLE`, or the error as it is.
 * @param neededBytes still to be written; null if the size is unknown
 */
export async function errorOfDisk(error: unknown, path: string, neededBytes: number | null): Promise<unknown> {
  const code = errnoOf(error);
  if (code === null || error instanceof RbeeError) return error;
  const folder = dirname(path);
  if (FULL_CODES.has(code)) {
    if (await hasNoInodes(folder).catch(() => false)) {
      return new RbeeError(
        'DISK_FULL',
        `the disk of ${folder} has no room for another file (${code}): no inode is free`,
        {
          hint: 'remove some small files and retry: what is on disk is kept',
          cause: error,
        },
      );
    }
    // The number is only informative, and the folder may be gone by now.
    const freeBytes = await freeBytesIn(folder).catch(() => null);
    const needed = neededBytes === null ? 'more space is needed' : `${formatBytes(neededBytes)} more needed`;
    const free = freeBytes === null ? '' : `, ${formatBytes(freeBytes)} free`;
    return new RbeeError('DISK_FULL', `the disk of ${folder} is full (${code}): ${needed}${free}`, {
      hint: 'free some space and retry: what is on disk is kept',
      details: { needed_bytes: neededBytes, free_bytes: freeBytes },
      cause: error,
    });
  }
  if (code === 'EFBIG') {
    return new RbeeError('STORE_NOT_WRITABLE', `the file system of ${folder} cannot hold a file that large (EFBIG)`, {
      hint: 'move the models folder to a file system for large files, such as ext4, XFS or Btrfs (FAT32 takes 4 GiB), or raise the limit on file sizes (ulimit -f)',
      cause: error,
    });
  }
  if (OBSTRUCTED_CODES.has(code)) {
    return new RbeeError('STORE_NOT_WRITABLE', `cannot write ${path} (${code})`, {
      hint: 'a file may be where a folder has to be, or a folder where a file has to be: move it away, and retry',
      cause: error,
    });
  }
  if (REFUSED_CODES.has(code)) {
    return new RbeeError('STORE_NOT_WRITABLE', `cannot write in ${folder} (${code})`, {
      hint: 'check the owner, the permissions and the mount of the folder',
      cause: error,
    });
  }
  return error;
}
