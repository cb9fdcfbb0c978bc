import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRefs } from '../contents/read-place.ts';
import { type Disk, ifThere } from '../disk.ts';
import type { Layout } from '../layout.ts';

/** The folders that a place is made of; with another one in it the place is not only ours. */
const PLACE_FOLDERS: ReadonlySet<string> = new Set(['blobs', 'refs', 'snapshots']);

/**
 * Removes the folders that files were taken from and that are empty now, the refs that stand for a commit without files,
 * and the place itself where nothing is left. A scanner of the cache that looks in between finds nothing amiss.
 */
export async function tidyPlace(disk: Disk, layout: Layout, place: string, removed: readonly RemovedName[]) {
  for (const commit of new Set(removed.map((name) => name.commit))) {
    const folder = layout.snapshotFolder(place, commit);
    const ownRemoved = removed.filter((name) => name.commit === commit);
    for (const { path } of ownRemoved) {
      await removeEmptyParents(disk, layout.snapshotFile(place, commit, path), folder);
    }
    if ((await ifThere(readdir(folder), [''])).length > 0) continue;
    // A ref to a commit that is not there spoils the whole repo for scanners, so it goes before the folder.
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

/** A name that was taken from a snapshot. */
export interface RemovedName {
  readonly commit: string;
  /** Path in the repo. */
  readonly path: string;
}

/** Removes the folders above a path that is gone, below `top`, that are empty. */
async function removeEmptyParents(disk: Disk, path: string, top: string): Promise<void> {
  for (let folder = dirname(path); folder !== top && folder.startsWith(top); folder = dirname(folder)) {
    if (!(await disk.removeEmptyFolder(folder))) return;
  }
}

async function removeBarePlace(disk: Disk, layout: Layout, place: string): Promise<void> {
  const folder = layout.placeFolder(place);
  const names = await ifThere(readdir(folder), null);
  if (names === null || names.some((name) => !PLACE_FOLDERS.has(name))) return;
  for (const name of names) {
    if ((await readdir(join(folder, name))).length > 0) return;
  }
  for (const name of names) await disk.removeEmptyFolder(join(folder, name));
  await disk.removeEmptyFolder(folder);
  await disk.syncFolder(dirname(folder));
}
