import { lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRefs } from '../contents/read-place.ts';
import { type Disk, ifExists } from '../disk.ts';
import { isCommit, type Layout, RECORDS_FOLDER } from '../layout.ts';

/** The folders of a place. If there is another one, some other tool uses the place too. */
const PLACE_FOLDERS: ReadonlySet<string> = new Set(['blobs', 'refs', 'snapshots', RECORDS_FOLDER]);
/** What huggingface_hub knows of a commit without its files: its file list, and the names that it does not have. */
const NOTES_OF_COMMITS = ['trees', '.no_exist'] as const;
const LEFT_OF_LOCKS = /\.lock$/;

/**
 * Removes the folders of removed files that are empty now, refs to commits without files, and the place itself if
 * nothing is left. The cache is valid for scanners after every step.
 */
export async function removeEmptyFolders(disk: Disk, layout: Layout, place: string, removed: readonly RemovedName[]) {
  const commits = new Set(removed.map((name) => name.commit));
  for (const commit of commits) {
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
  // A shared cache keeps its notes about commits that this operation did not touch.
  if (commits.size > 0) await removeNotes(disk, layout, place);
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

/** Notes about commits that have no snapshot any more; `hf cache ls` would show the repo with 0 bytes forever. */
async function removeNotes(disk: Disk, layout: Layout, place: string): Promise<void> {
  const kept = new Set(await ifExists(readdir(layout.snapshotsFolder(place)), []));
  for (const notes of NOTES_OF_COMMITS) {
    const folder = join(layout.placeFolder(place), notes);
    // A link leads out of the store.
    if (!(await ifExists(lstat(folder), null))?.isDirectory()) continue;
    for (const name of await readdir(folder)) {
      const commit = name.replace(/\.json$/, '');
      if (isCommit(commit) && !kept.has(commit)) await removeTree(disk, join(folder, name));
    }
    await disk.removeEmptyFolder(folder);
  }
}

async function removeTree(disk: Disk, path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return disk.remove(path);
  for (const name of await readdir(path)) await removeTree(disk, join(path, name));
  await disk.removeEmptyFolder(path);
}

async function removeBarePlace(disk: Disk, layout: Layout, place: string): Promise<void> {
  const path = layout.placeFolder(place);
  const names = await ifExists(readdir(path), null);
  if (names === null || names.some((name) => !PLACE_FOLDERS.has(name))) return;
  for (const name of names) {
    if ((await readdir(join(path, name))).length > 0) return;
  }
  // A link to a repo on another disk goes first: a scanner would find a repo without its folders.
  const folder = await realpath(path);
  const isLink = (await lstat(path)).isSymbolicLink();
  if (isLink) await disk.remove(path);
  for (const name of names) {
    const inner = join(folder, name);
    // Blobs may be on another disk by a link to their folder.
    if ((await lstat(inner)).isSymbolicLink()) await disk.remove(inner);
    else await disk.removeEmptyFolder(inner);
  }
  await disk.removeEmptyFolder(folder);
  await removeHubLocks(disk, layout, place);
  await disk.syncFolder(dirname(path));
}

/** The locks of huggingface_hub for a repo that is gone. */
async function removeHubLocks(disk: Disk, layout: Layout, place: string): Promise<void> {
  const folder = layout.hubLocksFolder(place);
  if (!(await ifExists(lstat(folder), null))?.isDirectory()) return;
  for (const name of await readdir(folder)) {
    if (LEFT_OF_LOCKS.test(name)) await disk.remove(join(folder, name));
  }
  await disk.removeEmptyFolder(folder);
}
