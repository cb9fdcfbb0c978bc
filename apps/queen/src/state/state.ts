import type { DatabaseSync } from 'node:sqlite';
import type { Job, JobId } from '@rbee/contract';
import { BAD_ROWS_TABLE, readSavedJob, type StateRow, StateRows, type StateWriter, type WriteTime } from '@rbee/daemon';
import { type Placements, placementTable, type TableDeps } from './placements.ts';
import {
  cancelRow,
  type KeptCancel,
  type KeptHive,
  type KeptLimits,
  type KeptRoute,
  readCancel,
  readHive,
  readLimits,
  readRoute,
} from './saved-rows.ts';

/** The schema, step by step; a later version adds to the end. */
export const STATE_MIGRATIONS = [
  `CREATE TABLE hives (
     hive_id TEXT PRIMARY KEY,
     hive_url TEXT NOT NULL,
     last_seen_ms INTEGER
   ) STRICT;
   CREATE TABLE limits (
     hive_id TEXT PRIMARY KEY,
     limits TEXT NOT NULL
   ) STRICT;
   CREATE TABLE jobs (
     job_id TEXT PRIMARY KEY,
     created_at TEXT NOT NULL,
     snapshot TEXT NOT NULL,
     route TEXT
   ) STRICT;
   CREATE TABLE placements (
     download_id TEXT PRIMARY KEY,
     hive_id TEXT NOT NULL,
     ended INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE TABLE cancels (
     job_id TEXT NOT NULL,
     hive_id TEXT NOT NULL,
     partial TEXT NOT NULL,
     PRIMARY KEY (job_id, hive_id)
   ) STRICT`,
  BAD_ROWS_TABLE,
  'ALTER TABLE cancels RENAME COLUMN job_id TO id',
] as const;

/** A job of a previous run; `route` is null when it is not known. */
export interface KeptJob {
  readonly snapshot: Job;
  readonly route: KeptRoute | null;
}

/**
 * The state of a queen that survives a restart. What is read is as of the start, and rows that cannot be read are set
 * aside. A write never throws, see `StateWriter`: what a restart could not find out again is synced within the turn of the
 * event loop, the rest is written soon after.
 */
export interface QueenState extends Placements {
  /** Saves all that `work` writes, or rejects with STATE_UNAVAILABLE and saves nothing of it. */
  atomically<T>(work: () => T): Promise<T>;
  hives(): KeptHive[];
  keepHive(hive: KeptHive): void;
  forgetHive(hiveId: string): void;
  limits(): ReadonlyMap<string, KeptLimits>;
  keepLimits(hiveId: string, limits: KeptLimits): void;
  forgetLimits(hiveId: string): void;
  /** Oldest first. */
  jobs(): KeptJob[];
  saveJob(job: Job): void;
  keepRoute(id: JobId, route: KeptRoute): void;
  deleteJob(id: JobId): void;
  cancels(): KeptCancel[];
  keepCancel(cancel: KeptCancel): void;
  forgetCancel(cancel: Pick<KeptCancel, 'id' | 'hive_id'>): void;
  /** Rows that could not be read, since the start. */
  readonly badRows: number;
  close(): void;
}

export interface StateDeps {
  readonly db: DatabaseSync;
  readonly writer: StateWriter;
  /** Called with each row that cannot be read, such as `job job-…`. */
  readonly onBadRow: (row: string, problem: unknown) => void;
}

export function createQueenState(deps: StateDeps): QueenState {
  const rows = new StateRows(deps);
  const tables = { ...deps, rows };
  return {
    ...hiveTable(tables),
    ...limitsTable(tables),
    ...jobTable(tables),
    ...placementTable(tables),
    ...cancelTable(tables),
    atomically: (work) => deps.writer.atomicallySoon(work),
    get badRows() {
      return rows.bad;
    },
    close() {
      deps.writer.close();
      deps.db.close();
    },
  };
}

function hiveTable({ db, writer, rows }: TableDeps) {
  const hives = db.prepare('SELECT hive_id, hive_url, last_seen_ms FROM hives ORDER BY rowid');
  const keep = db.prepare(
    `INSERT INTO hives (hive_id, hive_url, last_seen_ms) VALUES (?, ?, ?)
     ON CONFLICT (hive_id) DO UPDATE SET hive_url = excluded.hive_url, last_seen_ms = excluded.last_seen_ms`,
  );
  const remove = db.prepare('DELETE FROM hives WHERE hive_id = ?');
  const nameOf = (row: StateRow) => `hive ${row['hive_id']}`;
  return {
    hives: () =>
      rows.readAll(hives.all(), { nameOf, read: readHive, remove: (row) => remove.run(String(row['hive_id'])) }),
    // A hive registers again every few seconds.
    keepHive: ({ hive_id, hive_url, last_seen_ms }: KeptHive) =>
      writer.write(`hive ${hive_id}`, () => keep.run(hive_id, hive_url, last_seen_ms), 'later'),
    forgetHive: (hiveId: string) => writer.write(`hive ${hiveId}`, () => remove.run(hiveId), 'later'),
  };
}

function limitsTable({ db, writer, rows }: TableDeps) {
  const limits = db.prepare('SELECT hive_id, limits FROM limits');
  const keep = db.prepare('INSERT OR REPLACE INTO limits (hive_id, limits) VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM limits WHERE hive_id = ?');
  const nameOf = (row: StateRow) => `limits ${row['hive_id']}`;
  return {
    limits: () =>
      new Map(
        rows.readAll(limits.all(), { nameOf, read: readLimits, remove: (row) => remove.run(String(row['hive_id'])) }),
      ),
    keepLimits: (hiveId: string, kept: KeptLimits) =>
      writer.write(`limits ${hiveId}`, () => keep.run(hiveId, JSON.stringify(kept)), 'soon'),
    forgetLimits: (hiveId: string) => writer.write(`limits ${hiveId}`, () => remove.run(hiveId), 'later'),
  };
}

function jobTable({ db, writer, rows }: TableDeps) {
  const jobs = db.prepare('SELECT job_id, snapshot, route FROM jobs ORDER BY created_at, job_id');
  const save = db.prepare('INSERT OR REPLACE INTO jobs (job_id, created_at, snapshot, route) VALUES (?, ?, ?, ?)');
  const forgetRoute = db.prepare('UPDATE jobs SET route = NULL WHERE job_id = ?');
  const remove = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  const kept = new Map<JobId, { readonly snapshot: Job | null; readonly route: KeptRoute | null }>();
  const idOf = (row: StateRow) => String(row['job_id']);

  /** A job can do without its route, so it is set aside alone. */
  function routeOf(row: StateRow): KeptRoute | null {
    if (row['route'] === null) return null;
    try {
      return readRoute(String(row['route']));
    } catch (error) {
      rows.setAside(`route ${idOf(row)}`, error, row, () => forgetRoute.run(idOf(row)));
      return null;
    }
  }

  /** A job and its route are one row, written together. */
  function write(id: JobId, when: WriteTime): void {
    const { snapshot = null, route = null } = kept.get(id) ?? {};
    if (snapshot === null) return;
    const [text, routeText] = [JSON.stringify(snapshot), route === null ? null : JSON.stringify(route)];
    writer.write(`job ${id}`, () => save.run(id, snapshot.created_at, text, routeText), when);
  }

  return {
    jobs() {
      const found = rows.readAll(jobs.all(), {
        nameOf: (row) => `job ${idOf(row)}`,
        read: (row): KeptJob => ({ snapshot: readSavedJob(idOf(row), String(row['snapshot'])), route: routeOf(row) }),
        remove: (row) => remove.run(idOf(row)),
      });
      for (const job of found) kept.set(job.snapshot.job_id, job);
      return found;
    },
    saveJob(job: Job) {
      kept.set(job.job_id, { snapshot: job, route: kept.get(job.job_id)?.route ?? null });
      // Nothing but the end of a download has to be synced: its start is part of a transaction.
      write(job.job_id, job.ended_at !== null && job.operation === 'model_download' ? 'soon' : 'later');
    },
    keepRoute(id: JobId, route: KeptRoute) {
      kept.set(id, { snapshot: kept.get(id)?.snapshot ?? null, route });
      write(id, 'later');
    },
    deleteJob(id: JobId) {
      kept.delete(id);
      writer.write(`job ${id}`, () => remove.run(id), 'later');
    },
  };
}

function cancelTable({ db, writer, rows }: TableDeps) {
  const cancels = db.prepare('SELECT id, hive_id, partial FROM cancels ORDER BY rowid');
  const keep = db.prepare('INSERT OR REPLACE INTO cancels (id, hive_id, partial) VALUES (?, ?, ?)');
  const remove = db.prepare('DELETE FROM cancels WHERE id = ? AND hive_id = ?');
  const ids = (row: StateRow) => [String(row['id']), String(row['hive_id'])] as const;
  return {
    cancels: () =>
      rows.readAll(cancels.all(), {
        nameOf: (row) => cancelRow(...ids(row)),
        read: readCancel,
        remove: (row) => remove.run(...ids(row)),
      }),
    keepCancel: ({ id, hive_id, partial }: KeptCancel) =>
      writer.write(cancelRow(id, hive_id), () => keep.run(id, hive_id, partial), 'soon'),
    forgetCancel: ({ id, hive_id }: Pick<KeptCancel, 'id' | 'hive_id'>) =>
      writer.write(cancelRow(id, hive_id), () => remove.run(id, hive_id), 'later'),
  };
}
