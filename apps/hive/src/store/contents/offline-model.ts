import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { errnoOf, type HfRef, RbeeError } from '@rbee/contract';
import { ggufFiles } from '../../selection/gguf.ts';
import { safetensorsModel } from '../../selection/safetensors.ts';
import { isChosenByRule, selectFiles, type TreeFile } from '../../selection/select-files.ts';
import { isCommit, type Layout } from '../layout.ts';

interface OfflineModel {
  readonly commit: string;
  readonly files: readonly [OfflineFile, ...OfflineFile[]];
}

interface OfflineFile {
  readonly path: string;
  readonly blobName: string;
  readonly size: number;
}

/**
 * The files that a ref of a hub means, if the store has all of them: those it names, else those chosen from the commit's
 * file list where `treeOf` knows it, or from the snapshot. Null where one is missing, and where a snapshot without
 * weights could be the beginning of a model. Reads only names and sizes, and writes nothing.
 */
export async function findOfflineModel(
  layout: Layout,
  ref: HfRef,
  treeOf: (commit: string) => readonly TreeFile[] | null,
): Promise<OfflineModel | null> {
  const place = `hf:${ref.repo}`;
  const commit = await commitOf(layout, place, ref.revision);
  if (commit === null) return null;
  const wanted = ref.files.length > 0 ? ref.files : await chosenFiles(layout, ref, commit, treeOf(commit));
  const files: OfflineFile[] = [];
  for (const path of wanted ?? []) {
    const file = await storedFile(layout, place, commit, path);
    if (file === null) return null;
    files.push(file);
  }
  const [first, ...rest] = files;
  return first === undefined ? null : { commit, files: [first, ...rest] };
}

async function commitOf(layout: Layout, place: string, revision: string): Promise<string | null> {
  const text = await orNull(() => readFile(layout.ref(place, revision), 'utf8'));
  const commit = text?.trim() ?? revision;
  return isCommit(commit) ? commit : null;
}

async function chosenFiles(
  layout: Layout,
  ref: HfRef,
  commit: string,
  tree: readonly TreeFile[] | null,
): Promise<readonly string[] | null> {
  const present = tree ?? (await snapshotFiles(layout.snapshotFolder(`hf:${ref.repo}`, commit)));
  const names = present.map(({ path }) => path);
  const namesNothing = ref.quant === null && isChosenByRule(ref);
  if (tree === null && namesNothing && ggufFiles(names).models.length === 0 && safetensorsModel(names) === null)
    return null;
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

/** A file counts only if it is a link to a complete blob of its own repo. */
async function storedFile(layout: Layout, place: string, commit: string, path: string): Promise<OfflineFile | null> {
  const link = layout.snapshotFile(place, commit, path);
  const target = await orNull(() => readlink(link));
  if (target === null) return null;
  const blobName = basename(target);
  const [linked, blob] = await Promise.all([
    orNull(() => stat(link)),
    orNull(() => stat(blobPath(layout, place, blobName))),
  ]);
  if (linked === null || blob === null || linked.ino !== blob.ino || !blob.isFile()) return null;
  return { path, blobName, size: blob.size };
}

function blobPath(layout: Layout, place: string, name: string): string {
  try {
    return layout.blob(place, name);
  } catch {
    // A link made by another program may have any target; it is not one of ours.
    return '';
  }
}

const ABSENT_CODES: readonly (string | null)[] = ['ENOENT', 'ENOTDIR', 'EINVAL', 'EISDIR', 'ELOOP', 'EACCES'];

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (ABSENT_CODES.includes(errnoOf(error))) return null;
    throw error;
  }
}
