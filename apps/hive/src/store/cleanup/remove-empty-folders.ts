import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRefs } from '../contents/read-place.ts';
import { type Disk, ifExists } from '../disk.ts';
import type { Layout } from '../layout.ts';

/** The folders of a place. If there is another one, some other tool uses the place too. */
const PLACE_FOLDERS: ReadonlySet<string> = new Set(['blobs', 'refs', 'snapshots']);

/**
 * Removes the folders of removed files that are empty now, refs to commits without files, and the place itself if
 * nothing is left. The cache is valid for scanners after every step.
 */
export async function removeEmptyFolders(disk: Disk, layout: Layout, place: string, removed: readonly RemovedName[]) {
  for (const commit of new Set(removed.map((name) => name.commit))) {
    const folder = layout.snapshotFolder(place, commit);
    const ownRemoved = removed.filter((name) => name.commit === commit);
    for (const { path } of ownRemoved) {
      await removeEmptyParents(disk, layout.snapshotFile(place, commit, path), folder);
    }
    if ((await ifExists(readdir(folder), [''])).length > 0) continue;
    // Scanners report a repo with a ref to a missing commit as broken, so the ref goes before the folder.
    const refs = (await readRefs(layout, place)).filter((ref) => ref.commit === commit);
    for (const { path } of refs) {
      await disk.remove(path);
      await disk.syncFolder(dirname(path));
      await removeEmptyParents(disk, path, layout.refsFolder(place));
    }
    await disk.removeEmptyFolder(folder);
    await disk.syncFolder(dirname(folder));
  }
  await removeBarePlace(disk, layout, place);
}

/** A name that was removed from a snapshot. */
export interface RemovedName {
  readonly commit: string;
  /** Path in the repo. */
  readonly path: string;
}

/** Removes the empty folders between a removed path and `top`. */
async function removeEmptyParents(disk: Disk, path: string, top: string): Promise<void> {
  for (let folder = dirname(path); folder !== top && folder.startsWith(top); folder = dirname(folder)) {
    if (!(await disk.removeEmptyFolder(folder))) return;
  }
}

async function removeBarePlace(disk: Disk, layout: Layout, place: string): Promise<void> {
  const folder = layout.placeFolder(place);
  const names = await ifExists(readdir(folder), null);
  if (names === null || names.some((name) => !PLACE_FOLDERS.has(name))) return;
  for (const name of names) {
    if ((await readdir(join(folder, name))).length > 0) return;
  }
  for (const name of names) await disk.removeEmptyFolder(join(folder, name));
  await disk.removeEmptyFolder(folder);
  await disk.syncFolder(dirname(folder));
}
