import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { assertRepoPath, RbeeError } from '@rbee/contract';
import { ifExists } from '../disk.ts';
import { isBlobName, isCommit, isUnfinished, type Layout } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { readSmallFile } from '../small-file.ts';
import { isFolder, orNull, reached } from './reached.ts';

/** A ref is the 40 digits of a commit. */
const MAX_REF_BYTES = 4_096;

/** A file in a place's blobs folder, complete or not. */
export interface StoredBytes {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
  /** Set for a link to a file elsewhere, such as one in the blobs that huggingface_hub shares between repos. */
  readonly isLink?: true;
}

/** One name in a snapshot. */
export interface SnapshotName {
  readonly commit: string;
  /** Path in the repo. */
  readonly path: string;
  /** The blob that the link points to, existing or not; null for a regular file and for a link that leads elsewhere. */
  readonly blobName: string | null;
  /** The file that a reader of the name gets, over any links; null if there is none. */
  readonly content: StoredBytes | null;
  readonly kind: 'link' | 'file' | 'elsewhere';
}

/** The contents of one place of the store. Links to files are followed, links to folders in a snapshot are not. */
export interface PlaceState {
  readonly place: string;
  /** Complete blobs, by name. */
  readonly blobs: ReadonlyMap<string, StoredBytes>;
  /** Partials, journals and damaged files in the blobs folder, of a hive or of another tool. */
  readonly unfinished: readonly StoredBytes[];
  /** By commit, sorted by path. */
  readonly snapshots: ReadonlyMap<string, readonly SnapshotName[]>;
  /** Names in the snapshots that were being written when a process was killed. */
  readonly unfinishedNames: readonly {
    readonly commit: string;
    readonly path: string;
    readonly modifiedAtMs: number;
  }[];
}

export async function readPlace(layout: Layout, place: string): Promise<PlaceState> {
  const isThere = await isFolder(layout.placeFolder(place));
  const files = isThere ? await readBlobs(layout.blobsFolder(place)) : [];
  const blobs = new Map(files.filter(({ name }) => isBlobName(name)).map((blob) => [blob.name, blob]));
  const snapshots = new Map<string, SnapshotName[]>();
  const unfinishedNames: { commit: string; path: string; modifiedAtMs: number }[] = [];
  const folders = isThere ? await readFolder(layout.snapshotsFolder(place)) : [];
  const blobsFolder = (await orNull(realpath(layout.blobsFolder(place)))) ?? layout.blobsFolder(place);
  for (const { name: commit } of folders.filter((entry) => entry.isDirectory() && isCommit(entry.name))) {
    const folder = layout.snapshotFolder(place, commit);
    const entries = await readFolder(folder, true);
    const names = await mapConcurrent(
      entries.filter((entry) => !entry.isDirectory()),
      async (entry) => {
        const onDisk = join(entry.parentPath, entry.name);
        const path = relative(folder, onDisk).split(sep).join('/');
        if (!isRepoPath(path)) return null;
        if (!isUnfinished(path)) return readName(layout, { place, commit, path }, entry, { blobs, blobsFolder });
        const stats = await ifExists(lstat(onDisk), null);
        if (stats !== null) unfinishedNames.push({ commit, path, modifiedAtMs: stats.mtimeMs });
        return null;
      },
    );
    snapshots.set(commit, names.filter((name) => name !== null).sort(byPath));
  }
  return { place, blobs, unfinished: files.filter(({ name }) => isUnfinished(name)), snapshots, unfinishedNames };
}

/** The commit of a revision, as its ref has it; null if there is none. */
export async function readRef(layout: Layout, place: string, revision: string): Promise<string | null> {
  const text = await orNull(readSmallFile(layout.ref(place, revision), MAX_REF_BYTES));
  return text === null ? null : text.trim();
}

/** The refs of a place: the commit of each revision, and when it was written. */
export async function readRefs(layout: Layout, place: string) {
  const folder = layout.refsFolder(place);
  const entries = await readFolder(folder, true);
  const files = entries.filter((entry) => entry.isFile());
  return mapConcurrent(files, async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const commit = ((await ifExists(readSmallFile(path, MAX_REF_BYTES), null)) ?? '').trim();
    const stats = await ifExists(lstat(path), null);
    return { path, commit: isUnfinished(entry.name) ? '' : commit, modifiedAtMs: stats?.mtimeMs ?? 0 };
  });
}

/** The entries of a folder; none if it is not one. */
async function readFolder(folder: string, recursive = false): Promise<Dirent[]> {
  return (await isFolder(folder)) ? ifExists(readdir(folder, { recursive, withFileTypes: true }), []) : [];
}

async function readBlobs(folder: string): Promise<StoredBytes[]> {
  const entries = await readFolder(folder);
  const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const read = await mapConcurrent(files, async (entry) => {
    const path = join(folder, entry.name);
    if (!entry.isSymbolicLink()) return toBytes(entry.name, await ifExists(lstat(path), null));
    const bytes = isUnfinished(entry.name) ? null : toBytes(entry.name, await reached(path));
    return bytes === null ? null : { ...bytes, isLink: true as const };
  });
  return read.filter((file) => file !== null);
}

async function readName(
  layout: Layout,
  { place, commit, path }: { place: string; commit: string; path: string },
  entry: Dirent,
  { blobs, blobsFolder }: { blobs: ReadonlyMap<string, StoredBytes>; blobsFolder: string },
): Promise<SnapshotName> {
  const onDisk = layout.snapshotFile(place, commit, path);
  if (entry.isFile()) {
    // On systems without links, tools write the bytes into the snapshot itself.
    return { commit, path, kind: 'file', blobName: null, content: toBytes(path, await ifExists(lstat(onDisk), null)) };
  }
  const target = entry.isSymbolicLink() ? await ifExists(readlink(onDisk), null) : null;
  if (target === null) return { commit, path, kind: 'elsewhere', blobName: null, content: null };
  const blobName = blobNameIn(layout.blobsFolder(place), resolve(dirname(onDisk), target));
  if (blobName !== null) return { commit, path, kind: 'link', blobName, content: blobs.get(blobName) ?? null };
  // The link may have the real path of the folder, where the store itself is reached by a link.
  const real = await orNull(realpath(onDisk));
  const realName = real === null ? null : blobNameIn(blobsFolder, real);
  const blob = realName === null ? undefined : blobs.get(realName);
  if (blob !== undefined) return { commit, path, kind: 'link', blobName: blob.name, content: blob };
  return { commit, path, kind: 'elsewhere', blobName: null, content: toBytes(path, await reached(onDisk)) };
}

function blobNameIn(folder: string, path: string): string | null {
  return dirname(path) === folder && isBlobName(basename(path)) ? basename(path) : null;
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
