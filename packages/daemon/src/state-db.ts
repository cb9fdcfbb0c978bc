import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** How long another process may hold the lock. */
const BUSY_TIMEOUT_MS = 2_000;
const MAX_VERSION = 1_000;

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
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openOrReplace(path, options);
  } catch (error) {
    if (isLocked(error))
      throw new Error(`another daemon uses the state folder ${dirname(path)}; set another one for this daemon`);
    if (!isFailedWrite(error)) throw error;
    const { message } = error as Error;
    const hint = 'make the folder writable, free disk space, or set another state folder';
    throw new Error(`cannot use the state folder ${dirname(path)}: ${message}; ${hint}`);
  }
}

function openOrReplace(path: string, options: StateDbOptions): DatabaseSync {
  try {
    return open(path, options.migrations);
  } catch (error) {
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
    check(db);
    migrate(db, path, migrations);
    checkTables(db, migrations);
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
  // No version of ours ever had as many steps: such a number is a damaged header.
  if (version > MAX_VERSION) throw new DamagedError(`its version is ${version}`);
  if (version > migrations.length) {
    throw new Error(`${path} was written by a newer version; run that version, or set another state folder`);
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

/** A file that has lost a table or a column cannot be used either. */
function checkTables(db: DatabaseSync, migrations: readonly string[]): void {
  const fresh = new DatabaseSync(':memory:');
  for (const step of migrations) fresh.exec(step);
  const columns = (of: DatabaseSync) =>
    of
      .prepare(
        `SELECT t.name || '.' || c.name AS name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table'`,
      )
      .all()
      .map(({ name }) => String(name));
  const found = new Set(columns(db));
  const missing = columns(fresh).filter((name) => !found.has(name));
  fresh.close();
  if (missing.length > 0) throw new DamagedError(`it lacks ${missing.join(', ')}`);
}

// SQLITE_BUSY of sqlite.org/rescode.html.
function isLocked(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 0x100 === 5;
}

// SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN of sqlite.org/rescode.html.
function isFailedWrite(error: unknown): boolean {
  const { errcode, syscall } = error as { errcode?: number; syscall?: string };
  return syscall !== undefined || (errcode !== undefined && [8, 10, 13, 14].includes(errcode % 0x100));
}

/** What the checks found. */
class DamagedError extends Error {}

// SQLITE_ERROR (our statements do not fit the file's tables), SQLITE_CORRUPT and SQLITE_NOTADB of sqlite.org/rescode.html.
function isDamage(error: unknown): boolean {
  if (error instanceof DamagedError) return true;
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && [1, 11, 26].includes(code % 0x100);
}
