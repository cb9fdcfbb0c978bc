import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A lock of another process that lasts longer than this is no hiccup. */
const BUSY_TIMEOUT_MS = 2_000;

export interface StateDbOptions {
  /** The schema as a list of steps, each applied once and in order; later versions add to its end. */
  readonly migrations: readonly string[];
  /** Told when the file was damaged and put aside. */
  readonly onDamage: (movedTo: string, error: unknown) => void;
}

/**
 * Opens a daemon's state: one SQLite file in WAL mode, whose writes are on disk when they return. A file that is damaged
 * is put aside and a new one begun: history is worth less than a daemon that starts.
 * @throws Error when the file is of a newer version, another daemon has it open, or its folder cannot be written
 */
export function openStateDb(path: string, options: StateDbOptions): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true });
  try {
    return open(path, options.migrations);
  } catch (error) {
    if (isLocked(error))
      throw new Error(`another daemon uses the state folder ${dirname(path)}: give this one its own`);
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
    // Exclusive: two daemons with one history would each overwrite what the other remembers.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(db, path, migrations);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: DatabaseSync, path: string, migrations: readonly string[]): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > migrations.length) {
    throw new Error(`${path} was written by a newer version of this program; use that one, or another state folder`);
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

// SQLITE_CORRUPT and SQLITE_NOTADB of sqlite.org/rescode.html.
function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && [11, 26].includes(code % 0x100);
}
