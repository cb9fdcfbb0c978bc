import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { assertRepoPath, type HfRef, RbeeError } from '@rbee/contract';
import { ggufModels } from '../selection/gguf.ts';
import { safetensorsModel } from '../selection/safetensors.ts';
import { selectFiles } from '../selection/select-files.ts';
import type { HubTreeEntry } from './hub-tree.ts';

const COMMIT = /^[0-9a-f]{40}$/;

/** The paths of the store that say what is there of a repo: the layout of the Hugging Face cache. */
export interface StoredPaths {
  ref(place: string, revision: string): string;
  snapshotFolder(place: string, commit: string): string;
  blob(place: string, name: string): string;
}

/** What of a ref is in the store. */
export interface StoredModel {
  readonly commit: string;
  readonly files: readonly [StoredHubFile, ...StoredHubFile[]];
}

export interface StoredHubFile {
  readonly path: string;
  readonly blobName: string;
  readonly size: number;
}

/**
 * The files that a ref means, where the store has all of them: by their names, else chosen from what the snapshot holds,
 * or from the commit's whole list where that is known. Null where one is missing, or where a snapshot without weights
 * cannot be told from the beginning of one. Reads names and sizes alone, and writes nothing.
 */
export async function storedModel(
  paths: StoredPaths,
  ref: HfRef,
  treeOf: (commit: string) => readonly HubTreeEntry[] | null,
): Promise<StoredModel | null> {
  const place = `hf:${ref.repo}`;
  const commit = await commitOf(paths, place, ref.revision);
  if (commit === null) return null;
  const wanted = ref.files.length > 0 ? ref.files : await chosenFiles(paths, ref, commit, treeOf(commit));
  const files: StoredHubFile[] = [];
  for (const path of wanted ?? []) {
    const file = await storedFile(paths, place, commit, path);
    if (file === null) return null;
    files.push(file);
  }
  const [first, ...rest] = files;
  return first === undefined ? null : { commit, files: [first, ...rest] };
}

async function commitOf(paths: StoredPaths, place: string, revision: string): Promise<string | null> {
  const text = await orNull(() => readFile(paths.ref(place, revision), 'utf8'));
  const commit = text?.trim() ?? revision;
  return COMMIT.test(commit) ? commit : null;
}

async function chosenFiles(
  paths: StoredPaths,
  ref: HfRef,
  commit: string,
  tree: readonly HubTreeEntry[] | null,
): Promise<readonly string[] | null> {
  const present = tree ?? (await snapshotFiles(paths.snapshotFolder(`hf:${ref.repo}`, commit)));
  const names = present.map(({ path }) => path);
  const namesNothing = ref.quant === null && ref.include.length + ref.exclude.length === 0;
  if (tree === null && namesNothing && ggufModels(names).length === 0 && safetensorsModel(names) === null) return null;
  try {
    return selectFiles(present, ref);
  } catch (error) {
    if (error instanceof RbeeError) return null;
    throw error;
  }
}

async function snapshotFiles(folder: string): Promise<{ path: string; size: number }[]> {
  const entries = (await orNull(() => readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isSymbolicLink())
    .map((entry) => ({ path: relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'), size: 0 }));
}

/** A file counts only as the link to a blob of its own repo that is there in full. */
async function storedFile(
  paths: StoredPaths,
  place: string,
  commit: string,
  path: string,
): Promise<StoredHubFile | null> {
  const link = join(paths.snapshotFolder(place, commit), assertRepoPath(path, 'DOWNLOAD_FAILED'));
  const target = await orNull(() => readlink(link));
  if (target === null) return null;
  const blobName = basename(target);
  const [linked, blob] = await Promise.all([
    orNull(() => stat(link)),
    orNull(() => stat(blobPath(paths, place, blobName))),
  ]);
  if (linked === null || blob === null || linked.ino !== blob.ino || !blob.isFile()) return null;
  return { path, blobName, size: blob.size };
}

function blobPath(paths: StoredPaths, place: string, name: string): string {
  try {
    return paths.blob(place, name);
  } catch {
    // A link of somebody else's making may have any name; such a file is not one of ours.
    return '';
  }
}

const ABSENT_CODES: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'EINVAL', 'EISDIR', 'ELOOP', 'EACCES'];

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (ABSENT_CODES.includes((error as NodeJS.ErrnoException).code)) return null;
    throw error;
  }
}
