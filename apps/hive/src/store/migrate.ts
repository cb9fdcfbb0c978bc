import { lstat, readdir, rename, rmdir, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '@rbee/contract';
import { syncFolder } from '@rbee/transfer';
import { type CatalogEntry, readEntry, writeEntry } from './contents/catalog.ts';
import { isFolder } from './contents/reached.ts';
import { type Disk, ifExists } from './disk.ts';
import { isUnfinished, type Layout, OWN_SCHEMES } from './layout.ts';

/** What was moved into the store, and what could not be. For the log. */
export interface Migration {
  readonly moved: number;
  /** Folders on another disk, now reached by a link. */
  readonly linked: readonly string[];
  /** What stays where it is, with the reason. */
  readonly left: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Moves what older versions kept beside the models folder into it: the files of other sources, from
 * `rbee/<scheme>/<store>/<name>`, and the catalog, from `rbee/catalog/<store>`. Each step is one rename or one durable
 * write before its original is removed, so it can stop anywhere and continue at the next start. A place on another disk
 * stays there, with a link in the store. Nothing is ever overwritten.
 */
export async function migrateStore(disk: Disk, layout: Layout): Promise<Migration> {
  const [old, store] = [join(dirname(layout.modelsDir), 'rbee'), basename(layout.modelsDir)];
  const result = { moved: 0, linked: [] as string[], left: [] as { path: string; reason: string }[] };
  const attempt = async (path: string, work: () => Promise<boolean>) => {
    try {
      if (await work()) result.moved += 1;
    } catch (error) {
      // One that cannot be moved must not keep the hive from starting.
      const code = errnoOf(error);
      if (code === null) throw error;
      result.left.push({ path, reason: code });
    }
  };
  for (const scheme of OWN_SCHEMES) {
    const folder = join(old, scheme, store);
    for (const name of await namesIn(folder)) {
      const [from, to] = [join(folder, name), placeFolderOrNull(layout, `${scheme}:${name}`)];
      if (to !== null) await attempt(from, () => movePlace(from, to, result.linked));
    }
    await removeEmpty(folder, dirname(folder));
  }
  const catalog = join(old, 'catalog', store);
  for (const name of await namesIn(catalog)) {
    const path = join(catalog, name);
    if (isUnfinished(name)) await disk.remove(path);
    const entry = await readEntry(layout, { path, name, place: null });
    if (entry === null) continue;
    if ('problem' in entry) result.left.push({ path, reason: entry.problem });
    else await attempt(path, () => moveEntry(disk, layout, path, entry));
  }
  await removeEmpty(catalog, dirname(catalog), old);
  return result;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await ifExists(readdir(folder), [])).sort();
}

function placeFolderOrNull(layout: Layout, place: string): string | null {
  try {
    return layout.placeFolder(place);
  } catch {
    // Not a folder of ours.
    return null;
  }
}

/** Returns whether there was anything to move. */
async function movePlace(from: string, to: string, linked: string[]): Promise<boolean> {
  try {
    if (!(await moveInto(from, to))) return false;
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    // On another disk: it stays there, and the store reads and writes it through a link.
    await symlink(from, to);
    linked.push(from);
  }
  await syncFolder(dirname(to));
  return true;
}

/** Renames a file or folder; merges folders of which an interrupted migration moved a part. */
async function moveInto(from: string, to: string): Promise<boolean> {
  const there = await ifExists(lstat(to), null);
  if (there === null) {
    await rename(from, to);
    return true;
  }
  // A link is that of an earlier start; a file is newer than the one that would replace it.
  if (!there.isDirectory() || !(await lstat(from)).isDirectory()) return false;
  let isMoved = false;
  for (const name of await readdir(from)) isMoved = (await moveInto(join(from, name), join(to, name))) || isMoved;
  await syncFolder(to);
  await removeEmpty(from);
  return isMoved;
}

/** One whose place has no folder any more is of a model without any file left. */
async function moveEntry(disk: Disk, layout: Layout, path: string, entry: CatalogEntry): Promise<boolean> {
  const to = layout.catalogFile(entry.place, entry.model_id);
  const isNewer = (await ifExists(lstat(to), null)) !== null;
  if (!isNewer && (await isFolder(layout.placeFolder(entry.place)))) await writeEntry(disk, layout, entry);
  await disk.remove(path);
  return !isNewer;
}

/** Removes folders, the inner one first, as far as they are empty. */
async function removeEmpty(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    try {
      await rmdir(folder);
    } catch (error) {
      // It is of use only if it is gone; it may also be a mount, or of somebody else.
      if (errnoOf(error) === null) throw error;
    }
  }
}
