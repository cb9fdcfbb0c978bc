import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** How long another process may hold the lock. */
const BUSY_TIMEOUT_MS = 2_000;
/** Every page of a file up to this size is checked at the start; a larger one would take too long. */
const MAX_CHECKED_BYTES = 256 * 2 ** 20;

export interface StateDbOptions {
  /** The steps of the schema, each applied once and in order; new versions append steps. */
  readonly migrations: readonly string[];
  /** Called when the file was damaged and has been moved aside. */
  readonly onDamage: (movedTo: string, error: unknown) => void;
}

/**
 * Opens a daemon's state: one SQLite file in WAL mode, with durable writes. A damaged file is moved aside and a new one
 * created: starting matters more than history.
 * @throws Error when a newer version wrote the file, another daemon has it open, or its folder is not writable
 */
export function openStateDb(path: string, options: StateDbOptions): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true });
  try {
    return open(path, options.migrations);
  } catch (error) {
    if (isLocked(error))
      throw new Error(`another daemon uses the state folder ${dirname(path)}; set another one for this daemon`);
    if (!isDamage(error)) throw error;
    const movedTo = `${path}.damaged-${Date.now()}`;
    renameSync(path, movedTo);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    options.onDamage(movedTo, error);
    return open(path, options.migrations);
  }
}

function open(path: string, migrations: readonly string[]): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Exclusive: two daemons with one history would overwrite each other's rows.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    if (statSync(path).size <= MAX_CHECKED_BYTES) check(db);
    migrate(db, path, migrations);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A damaged page is found here, not in the middle of a start that reads it. */
function check(db: DatabaseSync): void {
  const { quick_check: result } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (result !== 'ok') throw new DamagedError(result);
}

function migrate(db: DatabaseSync, path: string, migrations: readonly string[]): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > migrations.length) {
    throw new Error(`${path} was written by a newer version; run that version, or set another state folder`);
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

// SQLITE_BUSY of sqlite.org/rescode.html.
function isLocked(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 0x100 === 5;
}

/** What `quick_check` found. */
class DamagedError extends Error {}

// SQLITE_CORRUPT and SQLITE_NOTADB of sqlite.org/rescode.html.
function isDamage(error: unknown): boolean {
  if (error instanceof DamagedError) return true;
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && [11, 26].includes(code % 0x100);
}
