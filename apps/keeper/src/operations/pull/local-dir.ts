import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  assertRepoPath,
  errnoOf,
  type ModelDetail,
  parseModelRef,
  printModelRef,
  RbeeError,
  type WantedModel,
} from '@rbee/contract';
import { KeeperError } from '../../errors/keeper-error.ts';
import type { ListedModel } from '../../results.ts';
import type { CommandDeps } from '../command-deps.ts';

type StoredFile = ModelDetail['file_list'][number];

export interface LocalDir {
  readonly path: string;
  /** Whether a different file of that name is replaced. */
  mayReplace(path: string): Promise<boolean>;
}

/** Makes the folder, so that a wrong one is noticed before anything is downloaded. @throws KeeperError LOCAL_DIR_FAILED */
export async function makeLocalDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    const probe = join(path, `.rbee-${process.pid}`);
    await (await open(probe, 'wx')).close();
    await rm(probe, { force: true });
  } catch (error) {
    throw failed(`cannot write to ${path}: ${(error as Error).message}`, 'name another folder with --local-dir');
  }
}

/**
 * Puts the files of a stored model into a folder, under their names in the repo: by hard links, or by verified copies where the folder
 * is on another file system. Returns the path to the file, or the folder where there are several.
 * @param stored where the hive says that it has the model
 * @throws KeeperError LOCAL_DIR_FAILED if the hive's files are not on this machine, or a different file is in the way
 */
export async function placeModel(
  { client, signal }: Pick<CommandDeps, 'client' | 'signal'>,
  wanted: WantedModel,
  stored: string,
  dir: LocalDir,
): Promise<string> {
  const { models } = await client.models(signal);
  const model = modelAt(models, stored, wanted);
  if (model === null) {
    throw failed(`no hive lists the model at ${stored}`, 'look for it with "rbee-keeper model list"');
  }
  const { file_list: files } = await client.model(model.model_id, model.hive_id, signal);
  for (const file of files) {
    signal.throwIfAborted();
    await placeFile(file, join(dir.path, assertRepoPath(file.path, 'DOWNLOAD_FAILED')), {
      ...dir,
      hive: model.hive_id,
    });
  }
  const [first, ...others] = files;
  const isOne = first !== undefined && (others.length === 0 || stored === first.stored_at);
  return isOne ? join(dir.path, first.path) : dir.path;
}

/** Several models of a commit share its folder: then it is the one that was asked for, else the newest. */
function modelAt(models: readonly ListedModel[], stored: string, { ref }: WantedModel): ListedModel | null {
  const there = models.filter(({ path }) => path === stored);
  const isAsked = ({ model_ref: text }: ListedModel) => {
    try {
      const pinned = parseModelRef(text);
      return pinned.scheme === 'hf' && ref.scheme === 'hf'
        ? printModelRef({ ...pinned, revision: ref.revision }) === printModelRef(ref)
        : printModelRef(pinned) === printModelRef(ref);
    } catch (error) {
      if (error instanceof RbeeError) return false;
      throw error;
    }
  };
  const [newest] = there.toSorted((a, b) => b.modified_at.localeCompare(a.modified_at));
  return there.find(isAsked) ?? newest ?? null;
}

async function placeFile(file: StoredFile, target: string, dir: LocalDir & { readonly hive: string }): Promise<void> {
  const source = await sourceOf(file, dir.hive);
  await mkdir(dirname(target), { recursive: true });
  const isThere = (await lstat(target).catch(() => null)) !== null;
  if (isThere && (await isSame(source, target, file))) return;
  if (isThere && !(await dir.mayReplace(target))) {
    throw failed(`${target} is there and different`, 'move it away, or replace it with --yes');
  }
  const temporary = join(dirname(target), `.${basename(target).slice(0, 200)}.rbee-${process.pid}`);
  try {
    await rm(temporary, { force: true });
    if (!(await linked(source, temporary))) await copyVerified(source, temporary, file);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    if (error instanceof KeeperError) throw error;
    throw failed(`cannot write ${target}: ${(error as Error).message}`, 'free space, or name another folder');
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The file itself, behind the links of the store. */
async function sourceOf({ stored_at: path, bytes }: StoredFile, hive: string): Promise<string> {
  const real = await realpath(path).catch(() => null);
  const stats = real === null ? null : await stat(real).catch(() => null);
  if (real !== null && stats?.isFile() && stats.size === bytes) return real;
  throw failed(
    `the files of the hive ${hive} are not on this machine, or not readable here: ${path}`,
    'the model is complete in the store of the hive: run --local-dir on its machine, or copy it from there',
  );
}

async function isSame(source: string, target: string, { bytes, sha256 }: StoredFile): Promise<boolean> {
  const [ours, theirs] = [await stat(source), await stat(target).catch(() => null)];
  if (theirs === null || !theirs.isFile()) return false;
  if (ours.ino === theirs.ino && ours.dev === theirs.dev) return true;
  return theirs.size === bytes && (await digestOf(target)) === (sha256 ?? (await digestOf(source)));
}

/** What a file system says that cannot link these two files, or may not. */
const NO_LINK: readonly (string | null)[] = ['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

async function linked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    if (NO_LINK.includes(errnoOf(error))) return false;
    throw error;
  }
}

async function copyVerified(source: string, target: string, { sha256, path }: StoredFile): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await open(target, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  if ((await digestOf(target)) === (sha256 ?? (await digestOf(source)))) return;
  throw failed(`the copy of ${path} differs from its digest`, 'check the model with "rbee-keeper model verify"');
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Where folders cannot be synced, as on some shares, the rename has to do. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function failed(message: string, hint: string): KeeperError {
  return new KeeperError('LOCAL_DIR_FAILED', message, { hint });
}
