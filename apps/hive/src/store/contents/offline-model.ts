import { createHash } from 'node:crypto';
import { readdir, readlink, realpath } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { type HfRef, RbeeError } from '@rbee/contract';
import { ggufFiles } from '../../selection/gguf.ts';
import { safetensorsModel } from '../../selection/safetensors.ts';
import { isChosenByRule, selectFiles, type TreeFile } from '../../selection/select-files.ts';
import { isBlobName, isCommit, type Layout } from '../layout.ts';
import { orNull, reached } from './reached.ts';
import { readRef } from './read-place.ts';

interface OfflineModel {
  readonly commit: string;
  readonly files: readonly [OfflineFile, ...OfflineFile[]];
}

interface OfflineFile {
  readonly path: string;
  /** For a file in the snapshot itself, a name made of its path: nothing on disk has its digest. */
  readonly blobName: string;
  readonly size: number;
}

const NAME_DIGITS = 40;

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
  const commit = (await readRef(layout, place, revision)) ?? revision;
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
  const entries = (await orNull(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isSymbolicLink() || entry.isFile())
    .map((entry) => ({ path: relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'), size: 0 }));
}

/** A file in the snapshot, or a link to one: the blob of its repo has the name that the hub gave it. */
async function storedFile(layout: Layout, place: string, commit: string, path: string): Promise<OfflineFile | null> {
  const name = layout.snapshotFile(place, commit, path);
  const found = await reached(name);
  if (!found?.isFile()) return null;
  const target = await orNull(readlink(name));
  const blobName = target === null ? '' : basename(target);
  const isBlob = isBlobName(blobName) && (await isSameFile(name, layout.blob(place, blobName)));
  return { path, blobName: isBlob ? blobName : nameOf(path), size: found.size };
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([orNull(realpath(a)), orNull(realpath(b))]);
  return first !== null && first === second;
}

function nameOf(path: string): string {
  return `plain-${createHash('sha256').update(path).digest('hex').slice(0, NAME_DIGITS)}`;
}
