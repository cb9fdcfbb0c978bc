import { constants } from 'node:fs';
import { access, type FileHandle, mkdir, open, readlink, rm, statfs, symlink } from 'node:fs/promises';
import { type Clock, errnoOf, formatBytes, formatSpeed, spaceNeeded } from '@rbee/contract';
import { errorOfDisk, freeBytesIn } from '@rbee/transfer';
import type { Layout } from '../store/layout.ts';
import { NO_LINKS } from '../store/plain-files.ts';
import { pathOf } from '../store/publish.ts';
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

const FREE_HINT =
  'free some with "rbee-keeper model prune" or "model remove", or move the store to another disk (RBEE_HIVE_MODELS_DIR)';

export interface DiskFacts {
  /** null if the file system does not tell. */
  readonly freeBytes: number | null;
  /** Free inodes; null where the file system has no such limit. */
  readonly freeFiles: number | null;
}

export async function readDisk(folder: string): Promise<DiskFacts> {
  const { files, ffree } = await statfs(folder);
  return { freeBytes: await freeBytesIn(folder), freeFiles: files === 0 ? null : ffree };
}

export function judgeDiskSpace(folder: string, { freeBytes, freeFiles }: DiskFacts): Verdict {
  if (freeFiles === 0)
    return failed(`no file can be created in ${folder}: its file system has no inodes left`, FREE_HINT);
  if (freeBytes === null) return ok(`the file system of ${folder} does not tell how much is free`);
  const free = `${formatBytes(freeBytes)} free in ${folder}`;
  if (freeBytes < spaceNeeded(1)) return failed(`${free}, less than the reserve`, FREE_HINT);
  return freeBytes < SPARSE_BYTES ? warning(`${free}, too little for many models`, FREE_HINT) : ok(free);
}

/** Writes and syncs 16 MiB. The file is unlinked first, so it never stays behind. */
export async function checkDiskSpeed(layout: Layout, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  const path = layout.trialFile('data');
  const { freeBytes } = await readDisk(layout.modelsDir);
  if (freeBytes !== null && freeBytes < 2 * TRIAL_BYTES) return skipped('not tested: too little free space');
  try {
    const startedAtMs = clock.elapsed();
    await withUnnamed(path, async (file) => {
      const piece = Buffer.alloc(TRIAL_PIECE_BYTES, 0x5a);
      for (let written = 0; written < TRIAL_BYTES; written += piece.length) {
        signal.throwIfAborted();
        await file.write(piece);
      }
      await file.sync();
    });
    const bps = (TRIAL_BYTES / Math.max(MIN_WRITE_MS, clock.elapsed() - startedAtMs)) * 1_000;
    const message = `writes ${formatSpeed(bps)} (${formatBytes(TRIAL_BYTES)}, synced)`;
    if (bps >= SLOW_DISK_BPS) return ok(message);
    return warning(
      message,
      'downloads cannot be faster than the disk: move the store to a faster one (RBEE_HIVE_MODELS_DIR)',
    );
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(await errorOfDisk(error, path, TRIAL_BYTES));
  }
}

/** Whether the store can be written, linked and read. */
export async function checkStore(layout: Layout, store: Pick<Store, 'list' | 'assertSame'>): Promise<Verdict> {
  const path = layout.trialFile('data');
  const link = layout.trialFile('link');
  let hasLinks = true;
  try {
    await store.assertSame();
    // Downloads make folders in the models folder itself. A trial there would be a broken repo for cache scanners.
    await access(layout.modelsDir, constants.W_OK | constants.X_OK);
    await makeFolder(layout.locksFolder());
    await withUnnamed(path, async (file) => {
      await file.write('a trial');
      await file.sync();
    });
    hasLinks = await supportsLinks(link);
  } catch (error) {
    return failureOf(await errorOfDisk(error, pathOf(error) ?? path, null));
  }
  const { models, problems } = await store.list();
  const count = `${models.length} ${models.length === 1 ? 'model' : 'models'}`;
  if (!hasLinks) {
    const message = `the file system of ${layout.modelsDir} has no symbolic links: versions of a model share no files`;
    return warning(message, 'to save space, move the store to a disk with links (RBEE_HIVE_MODELS_DIR)');
  }
  if (problems.length === 0) return ok(`${layout.modelsDir} is writable and has ${count}`);
  return warning(
    `${layout.modelsDir} has ${count}; ${problems.length} of its entries cannot be read`,
    '"rbee-keeper model list" names them; "rbee-keeper model verify" shows which models are intact',
  );
}

/** Not `recursive`, whose error on a read-only file system says less about the cause. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Opens a file, unlinks it and passes it on. */
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

async function supportsLinks(link: string): Promise<boolean> {
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
