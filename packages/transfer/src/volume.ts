import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract/plain';

/** A file system, as it is at the moment. */
export interface Volume {
  /** What tells it from every other one of the machine. */
  readonly device: number;
  readonly freeBytes: number;
}

/** The file system where a folder is, or would be made. */
export async function volumeOf(folder: string): Promise<Volume> {
  const { path, device } = await nearest(folder);
  const { bavail, bsize } = await statfs(path);
  return { device, freeBytes: bavail * bsize };
}

/** The folder, or the one above it that is there; through links, which may lead to another disk. */
async function nearest(folder: string): Promise<{ path: string; device: number }> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { dev } = await stat(path);
      return { path, device: dev };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    }
  }
}
