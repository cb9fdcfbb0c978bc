import { constants } from 'node:fs';
import { access, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { errnoOf, RbeeError, toTimestamp } from '@rbee/contract';
import { ifExists } from './disk.ts';
import { flockFolder } from './flock.ts';
import type { Layout } from './layout.ts';
import { runningOlderHive } from './older-lock.ts';
import { pathOf } from './publish.ts';
import { readSmallFile } from './small-file.ts';

/** The exclusive lock of a store. */
export interface StoreLock {
  /**
   * Where the system has no `flock`, the lock goes with `.locks`: then it is taken again.
   * @throws RbeeError STORE_NOT_WRITABLE if another hive has taken the store meanwhile
   */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

/** Who holds the lock, for people: the lock itself is the kernel's. */
interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the hive took the lock. */
  readonly started: string;
}

const SQLITE_BUSY = 5;
const MAX_OWNER_BYTES = 65_536;

/**
 * Locks the store for this process, twice: the models folder itself with `flock`, which outlives a deleted `.locks`, and a
 * small database in `.locks` with SQLite, for systems without that command. The kernel holds both, whatever namespace a
 * process is in, and drops them when it ends.
 * @throws RbeeError STORE_NOT_WRITABLE when another hive owns the store, or it cannot be locked
 */
export async function lockStore(layout: Layout, nowMs: number): Promise<StoreLock> {
  const path = layout.lockFile();
  const undo: (() => unknown)[] = [];
  const release = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    await mkdir(layout.locksFolder(), { recursive: true });
    const folder = await open(layout.modelsDir, 'r');
    undo.push(() => folder.close());
    // Not by a trial file: in the models folder that would be a broken repo for cache scanners.
    for (const path of [layout.modelsDir, layout.locksFolder()]) await access(path, constants.W_OK | constants.X_OK);
    const flock = await flockFolder(folder.fd);
    if (flock === 'held') throw await owned(layout);
    let database = await lockDatabase(layout);
    undo.push(() => database.close());
    if ((await runningOlderHive(path)) !== null) throw await owned(layout);
    const owner = { pid: process.pid, host: hostname(), started: toTimestamp(nowMs) };
    await writeOwner(path, owner);
    undo.push(() => rm(path, { force: true }));
    const lockAgain = async () => {
      if (await database.isThere()) return;
      await mkdir(layout.locksFolder(), { recursive: true });
      const next = await lockDatabase(layout);
      database.close();
      database = next;
      await writeOwner(path, owner);
    };
    let checked: Promise<void> = Promise.resolve();
    const assertHeld = () => {
      if (flock === 'locked') return Promise.resolve();
      checked = checked.catch(() => {}).then(lockAgain);
      return checked;
    };
    return { assertHeld, release };
  } catch (error) {
    await release();
    if (error instanceof RbeeError || errnoOf(error) === null) throw error;
    const where = pathOf(error) ?? path;
    throw new RbeeError('STORE_NOT_WRITABLE', `cannot write ${where} (${errnoOf(error)})`, {
      hint: 'a hive writes to its models folder and to .locks in it: check their owner and mount, or choose another folder with --models-dir',
      cause: error,
    });
  }
}

interface LockedDatabase {
  /** Whether the file still has its name. */
  isThere(): Promise<boolean>;
  close(): void;
}

async function lockDatabase(layout: Layout): Promise<LockedDatabase> {
  const path = layout.lockDatabase();
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path);
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    const held = db;
    const { dev, ino } = await stat(path);
    return {
      isThere: async () => {
        const now = await ifExists(stat(path), null);
        return now?.dev === dev && now.ino === ino;
      },
      close: () => held.close(),
    };
  } catch (error) {
    db?.close();
    if ((error as { errcode?: unknown }).errcode === SQLITE_BUSY) throw await owned(layout);
    throw new RbeeError('STORE_NOT_WRITABLE', `cannot lock ${path}: ${(error as Error).message}`, {
      hint: 'check that the file can be written and that its file system has locks, or choose another folder with --models-dir',
      cause: error,
    });
  }
}

/** Renamed into place, so that a reader finds all of it. */
async function writeOwner(path: string, owner: Owner): Promise<void> {
  const written = `${path}.${owner.pid}`;
  await writeFile(written, JSON.stringify(owner));
  await rename(written, path);
}

async function owned(layout: Layout): Promise<RbeeError> {
  const owner = ownerOf((await ifExists(readSmallFile(layout.lockFile(), MAX_OWNER_BYTES), null)) ?? '');
  const who = owner === null ? '' : ` (pid ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`})`;
  return new RbeeError('STORE_NOT_WRITABLE', `another hive${who} owns this store: ${layout.modelsDir}`, {
    hint: 'stop it, or give this hive its own store: --models-dir',
    details: { is_owned: true },
  });
}

/** Null for a file that cannot be parsed: it is of another version, or was edited by hand. */
function ownerOf(content: string): Pick<Owner, 'pid' | 'host'> | null {
  try {
    const { pid, host } = JSON.parse(content) as { pid?: unknown; host?: unknown };
    return Number.isSafeInteger(pid)
      ? { pid: pid as number, host: typeof host === 'string' ? host : hostname() }
      : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
