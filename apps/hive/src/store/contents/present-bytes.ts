import { lstat, readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { inspectPartial, olderPathOf } from '@rbee/transfer';
import { ifExists } from '../disk.ts';
import type { Layout } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';

/** A file of a model, before it is fetched. */
export interface WantedBlob {
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Set if a blob of that name may be an older version, so that none of it counts. */
  readonly isUnversioned?: true;
}

/** For each file, the bytes that need not be fetched: all of them, or those that a partial's journals claim. */
export async function presentBytes(layout: Layout, place: string, files: readonly WantedBlob[]): Promise<number[]> {
  // Lists the folder once, rather than looking up each of ten thousand files.
  const names = new Set(await ifExists(readdir(layout.blobsFolder(place)), []));
  return mapConcurrent(files, async (file) => {
    const { blobName, size, sha256, gitSha1 } = file;
    if (file.isUnversioned) return 0;
    const blob = layout.blob(place, blobName);
    if (names.has(blobName)) {
      const bytes = await blobSize(blob);
      if (bytes !== null && (size === null || bytes === size)) return bytes;
    }
    const partial = layout.partial(place, blobName);
    const older = olderPathOf(partial);
    if (!names.has(basename(partial)) && (older === null || !names.has(basename(older)))) return 0;
    return (await inspectPartial(partial, { size, sha256, gitSha1 }))?.bytes ?? 0;
  });
}

/** The size of a blob; null if there is none. A link or a folder of its name is not a blob. */
export async function blobSize(path: string): Promise<number | null> {
  const stats = await ifExists(lstat(path), null);
  return stats?.isFile() ? stats.size : null;
}
