import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RbeeError } from '@rbee/contract';
import { errorOfDisk } from '@rbee/transfer';
import { putEntry } from './contents/catalog.ts';
import type { Disk } from './disk.ts';
import type { Layout } from './layout.ts';
import { mapConcurrent } from './map-concurrent.ts';

/** A model whose blobs are all in the store. */
export interface NewModel {
  readonly place: string;
  readonly revision: string;
  readonly commit: string;
  /** The pinned ref. */
  readonly modelRef: string;
  readonly files: readonly {
    /** Path in the repo. */
    readonly path: string;
    /** The blob with its bytes. */
    readonly blobName: string;
    readonly sha256: string | null;
  }[];
}

/**
 * Makes a model visible: first its links, then the revision's ref, then its entry in the catalog. Each step is durable
 * before the next, so that a listed model is always there. Returns the path of the first file.
 * @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE
 */
export async function publishModel(disk: Disk, layout: Layout, model: NewModel, nowMs: number): Promise<string> {
  const { place, revision, commit, modelRef, files } = model;
  const [first] = files;
  if (!first) throw new Error('a snapshot without files');
  try {
    const sizes = await mapConcurrent(files, ({ path, blobName }) => sizeOf(layout.blob(place, blobName), path));
    const links = files.map(({ path, blobName }) => ({
      path: layout.snapshotFile(place, commit, path),
      target: layout.linkTarget(path, blobName),
    }));
    for (const { path, target } of links) await disk.putLink(path, target);
    for (const folder of new Set(links.map(({ path }) => dirname(path)))) await disk.syncFolder(folder);
    // Cache scanners report a repo without the folder as broken.
    await disk.makeFolder(layout.refsFolder(place));
    if (revision !== commit) await disk.putText(layout.ref(place, revision), commit);
    const stored = files.map(({ path, blobName: blob, sha256 }, index) => ({
      ...{ path, blob, sha256 },
      bytes: sizes[index] ?? 0,
    }));
    await putEntry(disk, layout, { model_ref: modelRef, place, revision, commit, files: stored }, nowMs);
  } catch (error) {
    throw await errorOfDisk(error, layout.blob(place, first.blobName), null);
  }
  return layout.snapshotFile(place, commit, first.path);
}

async function sizeOf(blob: string, path: string): Promise<number> {
  const stats = await lstat(blob).catch(() => null);
  if (stats?.isFile()) return stats.size;
  throw new RbeeError('STORE_NOT_WRITABLE', `${path} was removed from the store during the download`, {
    hint: 'another program removes files from the cache; retry',
  });
}
