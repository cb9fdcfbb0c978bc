import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { assertRepoPath, RbeeError } from '@rbee/contract';
import { ifThere } from '../disk.ts';
import { isBlobName, isCommit, isUnfinished, type Layout, OWN_SCHEMES } from '../layout.ts';
import { mapAtOnce } from '../map-concurrent.ts';

/** A file of a place's blobs, finished or not. */
export interface StoredBytes {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
}

/** One name in a snapshot. */
export interface SnapshotName {
  readonly commit: string;
  /** Path in the repo. */
  readonly path: string;
  /** The blob that the link names, there or not; null for a file that is no link, and for what leads elsewhere. */
  readonly blobName: string | null;
  /** What a reader of the name gets; null where that is nothing, or nothing of this place. */
  readonly content: StoredBytes | null;
  readonly kind: 'link' | 'file' | 'elsewhere';
}

/** What lies in one place of the store, read without following a link out of it. */
export interface PlaceState {
  readonly place: string;
  /** Complete ones, by name. */
  readonly blobs: ReadonlyMap<string, StoredBytes>;
  /** Whatever has a name in `*.incomplete`, beside the blobs. */
  readonly unfinished: readonly StoredBytes[];
  /** By commit, in the order of the paths. */
  readonly snapshots: ReadonlyMap<string, readonly SnapshotName[]>;
  /** Names in the snapshots that were being written. */
  readonly leftovers: readonly { readonly commit: string; readonly path: string; readonly modifiedAtMs: number }[];
}

/** The places that have a folder in the store. What the store cannot address is none of its places. */
export async function listPlaces(layout: Layout): Promise<string[]> {
  const places = await mapAtOnce(['hf', ...OWN_SCHEMES], async (scheme) => {
    const entries = await ifThere(readdir(layout.schemeFolder(scheme), { withFileTypes: true }), []);
    return entries.flatMap((entry) => {
      const place = entry.isDirectory() ? layout.placeOfFolder(scheme, entry.name) : null;
      return place === null ? [] : [place];
    });
  });
  return places.flat();
}

export async function readPlace(layout: Layout, place: string): Promise<PlaceState> {
  const isOurs = await isFolder(layout.placeFolder(place));
  const found = isOurs ? await readBlobs(layout.blobsFolder(place)) : [];
  const blobs = new Map(found.filter(({ name }) => isBlobName(name)).map((blob) => [blob.name, blob]));
  const snapshots = new Map<string, SnapshotName[]>();
  const leftovers: { commit: string; path: string; modifiedAtMs: number }[] = [];
  const folders = isOurs ? await readFolder(layout.snapshotsFolder(place)) : [];
  for (const { name: commit } of folders.filter((entry) => entry.isDirectory() && isCommit(entry.name))) {
    const folder = layout.snapshotFolder(place, commit);
    const entries = await readFolder(folder, true);
    const names = await mapAtOnce(
      entries.filter((entry) => !entry.isDirectory()),
      async (entry) => {
        const onDisk = join(entry.parentPath, entry.name);
        const path = relative(folder, onDisk).split(sep).join('/');
        if (!isRepoPath(path)) return null;
        if (!isUnfinished(path)) return readName(layout, { place, commit, path }, entry, blobs);
        const stats = await ifThere(lstat(onDisk), null);
        if (stats !== null) leftovers.push({ commit, path, modifiedAtMs: stats.mtimeMs });
        return null;
      },
    );
    snapshots.set(commit, names.filter((name) => name !== null).sort(byPath));
  }
  return { place, blobs, unfinished: found.filter(({ name }) => isUnfinished(name)), snapshots, leftovers };
}

/** Revisions and the commits that they stand for, with when each was written. */
export async function readRefs(layout: Layout, place: string) {
  const folder = layout.refsFolder(place);
  const entries = await readFolder(folder, true);
  const files = entries.filter((entry) => entry.isFile());
  return mapAtOnce(files, async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const commit = (await ifThere(readFile(path, 'utf8'), '')).trim();
    const stats = await ifThere(lstat(path), null);
    return { path, commit: isUnfinished(entry.name) ? '' : commit, modifiedAtMs: stats?.mtimeMs ?? 0 };
  });
}

/** What is in a folder; nothing where it is none. A link to a folder leads out of the store, and is none. */
async function readFolder(folder: string, recursive = false): Promise<Dirent[]> {
  return (await isFolder(folder)) ? ifThere(readdir(folder, { recursive, withFileTypes: true }), []) : [];
}

async function isFolder(path: string): Promise<boolean> {
  return (await ifThere(lstat(path), null))?.isDirectory() ?? false;
}

async function readBlobs(folder: string): Promise<StoredBytes[]> {
  const entries = await readFolder(folder);
  const files = entries.filter((entry) => entry.isFile());
  const read = await mapAtOnce(files, async ({ name }) =>
    toBytes(name, await ifThere(lstat(join(folder, name)), null)),
  );
  return read.filter((file) => file !== null);
}

async function readName(
  layout: Layout,
  { place, commit, path }: { place: string; commit: string; path: string },
  entry: Dirent,
  blobs: ReadonlyMap<string, StoredBytes>,
): Promise<SnapshotName> {
  const onDisk = layout.snapshotFile(place, commit, path);
  if (entry.isFile()) {
    // As tools write it on systems without links: the bytes are in the snapshot itself.
    return { commit, path, kind: 'file', blobName: null, content: toBytes(path, await ifThere(lstat(onDisk), null)) };
  }
  const target = entry.isSymbolicLink() ? await ifThere(readlink(onDisk), null) : null;
  const aim = target === null ? null : resolve(dirname(onDisk), target);
  if (aim === null || dirname(aim) !== layout.blobsFolder(place) || !isBlobName(basename(aim)))
    return { commit, path, kind: 'elsewhere', blobName: null, content: null };
  const blobName = basename(aim);
  return { commit, path, kind: 'link', blobName, content: blobs.get(blobName) ?? null };
}

function toBytes(name: string, stats: Stats | null): StoredBytes | null {
  return stats?.isFile() ? { name, bytes: stats.size, modifiedAtMs: stats.mtimeMs } : null;
}

function isRepoPath(path: string): boolean {
  try {
    assertRepoPath(path, 'DOWNLOAD_FAILED');
    return true;
  } catch (error) {
    if (error instanceof RbeeError) return false;
    throw error;
  }
}

function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
