import { lstat, readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { inspectPartial } from '@rbee/transfer';
import { ifThere } from '../disk.ts';
import type { Layout } from '../layout.ts';
import { mapAtOnce } from '../map-concurrent.ts';

/** What is known of a file before it is fetched. */
export interface WantedBlob {
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Set where a blob of that name may be of an older version, so that nothing of it counts. */
  readonly isUnversioned?: true;
}

/** For each file, the bytes that need not be fetched: all of them, or those that the journals of a partial claim. */
export async function presentBytes(layout: Layout, place: string, files: readonly WantedBlob[]): Promise<number[]> {
  // One look at the folder: a repo of ten thousand files is not asked for one by one.
  const there = new Set(await ifThere(readdir(layout.blobsFolder(place)), []));
  return mapAtOnce(files, async (file) => {
    const { blobName, size, sha256, gitSha1 } = file;
    if (file.isUnversioned) return 0;
    const blob = layout.blob(place, blobName);
    if (there.has(blobName)) {
      const bytes = await blobSize(blob);
      if (bytes !== null && (size === null || bytes === size)) return bytes;
    }
    const partial = layout.partial(place, blobName);
    if (!there.has(basename(partial))) return 0;
    return (await inspectPartial(partial, { size, sha256, gitSha1 }))?.bytes ?? 0;
  });
}

/** The size of a blob; null where there is none. A link or a folder under its name is no blob. */
export async function blobSize(path: string): Promise<number | null> {
  const stats = await ifThere(lstat(path), null);
  return stats?.isFile() ? stats.size : null;
}
