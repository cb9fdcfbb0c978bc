import { type FileHandle, mkdir, open, readlink, rm, statfs, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, errnoOf, formatBytes, formatSpeed } from '@rbee/contract';
import { errorOfDisk, spaceNeeded } from '@rbee/transfer';
import type { Layout } from '../store/layout.ts';
import type { Store } from '../store/store.ts';
import { failed, failureOf, ok, skipped, type Verdict, warning } from './verdict.ts';

const MiB = 1024 * 1024;
const TRIAL_BYTES = 16 * MiB;
const TRIAL_PIECE_BYTES = MiB;
const MIN_WRITE_MS = 1;
/** Slower than a line of 200 Mbit/s. */
const SLOW_DISK_BPS = 25_000_000;
/** What a model of a few billion parameters takes. */
const SPARSE_BYTES = 10 * 1024 * MiB;

/** What a file system without links answers. */
const NO_LINKS: readonly string[] = ['EPERM', 'ENOSYS', 'EOPNOTSUPP'];

const FREE_HINT =
  'free some with "rbee-keeper model prune" or "model remove", or give the hive a folder on another disk (RBEE_HIVE_MODELS_DIR)';

export interface DiskFacts {
  readonly freeBytes: number;
  /** Files that can still be made; null where the file system has no such limit. */
  readonly freeFiles: number | null;
}

export async function readDisk(folder: string): Promise<DiskFacts> {
  const { bavail, bsize, files, ffree } = await statfs(folder);
  return { freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
}

export function judgeDiskSpace(folder: string, { freeBytes, freeFiles }: DiskFacts): Verdict {
  const free = `${formatBytes(freeBytes)} are free in ${folder}`;
  if (freeFiles === 0)
    return failed(`no more files can be made in ${folder}: its file system has no inodes left`, FREE_HINT);
  if (freeBytes < spaceNeeded(1)) return failed(`${free}, less than what stays in reserve`, FREE_HINT);
  return freeBytes < SPARSE_BYTES ? warning(`${free}, too little for many models`, FREE_HINT) : ok(free);
}

/** Writes 16 MiB and waits until the disk has them. The file has no name while that lasts, so it is gone whatever happens. */
export async function checkDiskSpeed(layout: Layout, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  const path = layout.trialFile('data');
  if ((await readDisk(layout.modelsDir)).freeBytes < 2 * TRIAL_BYTES) return skipped('there is no room to try it');
  try {
    const startedAtMs = clock.now();
    await withUnnamed(path, async (file) => {
      const piece = Buffer.alloc(TRIAL_PIECE_BYTES, 0x5a);
      for (let written = 0; written < TRIAL_BYTES; written += piece.length) {
        signal.throwIfAborted();
        await file.write(piece);
      }
      await file.sync();
    });
    const bps = (TRIAL_BYTES / Math.max(MIN_WRITE_MS, clock.now() - startedAtMs)) * 1_000;
    const message = `writes ${formatSpeed(bps)} (${formatBytes(TRIAL_BYTES)}, synced)`;
    if (bps >= SLOW_DISK_BPS) return ok(message);
    return warning(
      message,
      'downloads are no faster than the disk: give the hive a folder on a faster one (RBEE_HIVE_MODELS_DIR)',
    );
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(await errorOfDisk(error, path, TRIAL_BYTES));
  }
}

/** Whether the store takes files and links, and can be read. */
export async function checkStore(layout: Layout, store: Pick<Store, 'list'>): Promise<Verdict> {
  const path = layout.trialFile('data');
  const link = layout.trialFile('link');
  try {
    await makeFolder(dirname(path));
    await withUnnamed(path, async (file) => {
      await file.write('a trial');
      await file.sync();
    });
    if (!(await takesLinks(link))) {
      const hint = 'the store needs them: give the hive a folder on a disk of this machine (RBEE_HIVE_MODELS_DIR)';
      return failed(`the file system of ${layout.modelsDir} has no symbolic links`, hint);
    }
  } catch (error) {
    return failureOf(await errorOfDisk(error, path, null));
  }
  const { models, problems } = await store.list();
  const count = `${models.length} ${models.length === 1 ? 'model' : 'models'}`;
  if (problems.length === 0) return ok(`${layout.modelsDir} can be written and has ${count}`);
  return warning(
    `${layout.modelsDir} has ${count}; ${problems.length} of its entries cannot be read`,
    '"rbee-keeper model list" names them; "rbee-keeper model verify" says which models are whole',
  );
}

/** Not `recursive`: on a file system that cannot be written that tells less of the cause. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Opens a file, takes its name away and hands it on. */
async function withUnnamed(path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx');
  try {
    await rm(path, { force: true });
    await work(file);
  } finally {
    await file.close();
  }
}

async function takesLinks(link: string): Promise<boolean> {
  const target = 'a-trial';
  await rm(link, { force: true });
  try {
    await symlink(target, link);
    return (await readlink(link)) === target;
  } catch (error) {
    if (NO_LINKS.includes(errnoOf(error) ?? '')) return false;
    throw error;
  } finally {
    await rm(link, { force: true });
  }
}
