import { realpath } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { errnoOf, RbeeError } from '@rbee/contract';
import { errorOfDisk } from '@rbee/transfer';
import { putEntry } from './contents/catalog.ts';
import { blobSize } from './contents/present-bytes.ts';
import { orNull } from './contents/reached.ts';
import { readRef } from './contents/read-place.ts';
import type { Disk } from './disk.ts';
import type { Layout } from './layout.ts';
import { mapConcurrent } from './map-concurrent.ts';
import { NO_LINKS, putPlain } from './plain-files.ts';

/** A model whose files are all in the store. */
export interface NewModel {
  readonly place: string;
  readonly revision: string;
  readonly commit: string;
  /** The pinned ref. */
  readonly modelRef: string;
  readonly files: readonly NewFile[];
}

interface NewFile {
  /** Path in the repo. */
  readonly path: string;
  /** The blob with its bytes, unless they are in the snapshot itself. */
  readonly blobName: string;
  readonly sha256: string | null;
}

/** What a store of somebody else, or a read-only one, says to a change. */
export const REFUSED: readonly (string | null)[] = ['EACCES', 'EPERM', 'EROFS'];

/**
 * Makes a model visible: first its links, then the revision's ref, then its entry in the catalog. Each step is durable
 * before the next, so that a listed model is always there. Returns the path of the first file. If every file already has
 * its name, nothing else is needed to use the model, so a store that cannot be written is no error.
 * @throws RbeeError DISK_FULL, STORE_NOT_WRITABLE
 */
export async function publishModel(disk: Disk, layout: Layout, model: NewModel, nowMs: number): Promise<string> {
  const { place, commit, files } = model;
  const [first] = files;
  if (!first) throw new Error('a snapshot without files');
  try {
    const sizes = await mapConcurrent(files, (file) => sizeOf(layout, model, file));
    const isChanged = await nameFiles(disk, layout, model);
    await record(disk, layout, model, sizes, nowMs).catch((error: unknown) => {
      if (isChanged || !REFUSED.includes(errnoOf(error))) throw error;
    });
  } catch (error) {
    throw await errorOfDisk(error, pathOf(error) ?? layout.blob(place, first.blobName), null);
  }
  return layout.snapshotFile(place, commit, first.path);
}

/** The path that a file operation failed at; for a rename, where to. */
export function pathOf(error: unknown): string | null {
  const { path, dest } = error as { path?: unknown; dest?: unknown };
  return [dest, path].find((each) => typeof each === 'string') ?? null;
}

/** Gives each file its name in the snapshot; returns whether there was anything to do. */
async function nameFiles(disk: Disk, layout: Layout, { place, commit, files }: NewModel): Promise<boolean> {
  const scratch = layout.catalogFolder(place);
  const changed = new Set<string>();
  for (const [index, { path, blobName }] of files.entries()) {
    const name = layout.snapshotFile(place, commit, path);
    const blob = layout.blob(place, blobName);
    if (await leadsTo(name, blob)) continue;
    changed.add(dirname(name));
    await assertInside(dirname(name), layout.placeFolder(place));
    await disk.makeFolder(dirname(name));
    try {
      await disk.putLink(name, layout.linkTarget(path, blobName), scratch);
    } catch (error) {
      if (!NO_LINKS.includes(errnoOf(error) ?? '')) throw error;
      const isLast = !files.slice(index + 1).some((other) => other.blobName === blobName);
      await putPlain(disk, { blob, name, scratch, isLast });
    }
  }
  for (const folder of changed) await disk.syncFolder(folder);
  return changed.size > 0;
}

/** Writes the ref, only if it changes, and the entry of the catalog. */
async function record(
  disk: Disk,
  layout: Layout,
  { place, revision, commit, modelRef, files }: NewModel,
  sizes: readonly number[],
  nowMs: number,
): Promise<void> {
  const scratch = layout.catalogFolder(place);
  // Cache scanners report a repo without the folder as broken.
  await disk.makeFolder(layout.refsFolder(place));
  if (revision !== commit && (await readRef(layout, place, revision)) !== commit) {
    const ref = layout.ref(place, revision);
    await assertInside(dirname(ref), layout.placeFolder(place));
    await disk.putText(ref, commit, scratch);
  }
  const stored = files.map(({ path, blobName: blob, sha256 }, index) => ({
    ...{ path, blob, sha256 },
    bytes: sizes[index] ?? 0,
  }));
  await putEntry(disk, layout, { model_ref: modelRef, place, revision, commit, files: stored }, nowMs);
}

async function sizeOf(layout: Layout, { place, commit }: NewModel, { path, blobName }: NewFile): Promise<number> {
  const size =
    (await blobSize(layout.blob(place, blobName))) ?? (await blobSize(layout.snapshotFile(place, commit, path)));
  if (size !== null) return size;
  throw new RbeeError('STORE_NOT_WRITABLE', `${path} was removed from the store during the download`, {
    hint: 'another program removes files from the cache; retry',
  });
}

/** Whether a name already gives the bytes: it leads to the blob, or there is no blob and the bytes are there. */
async function leadsTo(name: string, blob: string): Promise<boolean> {
  const [found, wanted] = await Promise.all([orNull(realpath(name)), orNull(realpath(blob))]);
  return found !== null && (wanted === null || found === wanted);
}

/** Refuses to write through a link to a folder that somebody planted in the place. The folder need not exist yet. */
async function assertInside(folder: string, placeFolder: string): Promise<void> {
  const top = await realpath(placeFolder);
  for (let path = folder; path.length > placeFolder.length; path = dirname(path)) {
    const real = await orNull(realpath(path));
    if (real === null) continue;
    if (real.startsWith(top + sep)) return;
    throw new RbeeError('STORE_NOT_WRITABLE', `${path} leads out of its repo, to ${real}`, {
      hint: 'links to folders are not written through: remove it and retry',
    });
  }
}
