import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract';

/** Nothing is there, or a link leads nowhere. */
const GONE_CODES: readonly (string | null)[] = ['ENOENT', 'ENOTDIR', 'ELOOP'];
/** Nothing is there that this process may read as a file. */
const ABSENT_CODES: readonly (string | null)[] = [...GONE_CODES, 'EINVAL', 'EISDIR', 'EACCES'];

/** The result of a read; null if there is nothing that can be read. */
export async function orNull<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    if (ABSENT_CODES.includes(errnoOf(error))) return null;
    throw error;
  }
}

/** What a reader of the path gets, over any links; null if it gets nothing. */
export function reached(path: string): Promise<Stats | null> {
  return orNull(stat(path));
}

/** Whether a path leads to a folder, over any links. */
export async function isFolder(path: string): Promise<boolean> {
  return (await reached(path))?.isDirectory() ?? false;
}

/** Whether a link certainly leads nowhere. A target that cannot be read now may be there. */
export async function isDead(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    return GONE_CODES.includes(errnoOf(error));
  }
}
