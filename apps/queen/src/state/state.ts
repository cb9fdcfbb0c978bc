import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId, Failure, Job, JobId, PartialChoice } from '@rbee/contract';

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
] as const;

/** Maximum number of ended downloads whose hive is remembered; the oldest go first. */
const ENDED_PLACEMENTS = 10_000;

interface KeptHive {
  readonly hive_id: string;
  readonly hive_url: string;
  /** Unix milliseconds; null when it was never seen. */
  readonly last_seen_ms: number | null;
}

/** The limits of a hive. Bandwidths are bytes per second, null is unlimited. */
export interface KeptLimits {
  /** Limits requested at the queen, if any. */
  readonly wanted: { readonly max_bandwidth?: number | null; readonly max_concurrent_downloads?: number };
  /** The hive's own limit. */
  readonly own: number | null;
  /** The limit that the queen sent last; two while the response to the second is not known. */
  readonly given: readonly (number | null)[];
}

/** How a job was routed to hives. */
export interface KeptRoute {
  /** Digest of the request, to recognise a repeat. */
  readonly request: string;
  /** Whether the response lists the downloads. */
  readonly many: boolean;
  readonly why: string;
  readonly legs: readonly { readonly hive_id: string; readonly refusal: Failure | null }[];
}

export interface KeptCancel {
  readonly job_id: JobId;
  readonly hive_id: string;
  readonly partial: PartialChoice;
}

/** The state of a queen that survives a restart. Each write is on disk when it returns. */
export interface QueenState {
  hives(): KeptHive[];
  keepHive(hive: KeptHive): void;
  forgetHive(hiveId: string): void;
  limits(): ReadonlyMap<string, KeptLimits>;
  keepLimits(hiveId: string, limits: KeptLimits): void;
  forgetLimits(hiveId: string): void;
  /** Oldest first; `route` is null when the queen died before it was known. */
  jobs(): { readonly snapshot: Job; readonly route: KeptRoute | null }[];
  saveJob(job: Job): void;
  keepRoute(id: JobId, route: KeptRoute): void;
  deleteJob(id: JobId): void;
  /** Active downloads, oldest first. */
  placements(): { readonly download_id: DownloadId; readonly hive_id: string }[];
  hiveOf(id: DownloadId): string | null;
  place(id: DownloadId, hiveId: string): void;
  endPlacement(id: DownloadId): void;
  cancels(): KeptCancel[];
  keepCancel(cancel: KeptCancel): void;
  forgetCancel(cancel: Pick<KeptCancel, 'job_id' | 'hive_id'>): void;
  close(): void;
}

export function createQueenState(db: DatabaseSync): QueenState {
  return { ...hiveTables(db), ...jobTables(db), ...placementTable(db), ...cancelTable(db), close: () => db.close() };
}

function hiveTables(db: DatabaseSync) {
  const hives = db.prepare('SELECT hive_id, hive_url, last_seen_ms FROM hives ORDER BY rowid');
  const keepHive = db.prepare(
    `INSERT INTO hives (hive_id, hive_url, last_seen_ms) VALUES (?, ?, ?)
     ON CONFLICT (hive_id) DO UPDATE SET hive_url = excluded.hive_url, last_seen_ms = excluded.last_seen_ms`,
  );
  const forgetHive = db.prepare('DELETE FROM hives WHERE hive_id = ?');
  const limits = db.prepare('SELECT hive_id, limits FROM limits');
  const forgetLimits = db.prepare('DELETE FROM limits WHERE hive_id = ?');
  const keepLimits = db.prepare('INSERT OR REPLACE INTO limits (hive_id, limits) VALUES (?, ?)');
  return {
    hives: () =>
      hives.all().map((row) => ({
        hive_id: String(row['hive_id']),
        hive_url: String(row['hive_url']),
        last_seen_ms: row['last_seen_ms'] === null ? null : Number(row['last_seen_ms']),
      })),
    keepHive: (hive: KeptHive) => void keepHive.run(hive.hive_id, hive.hive_url, hive.last_seen_ms),
    forgetHive: (hiveId: string) => void forgetHive.run(hiveId),
    limits: () =>
      new Map(limits.all().map((row) => [String(row['hive_id']), JSON.parse(String(row['limits'])) as KeptLimits])),
    keepLimits: (hiveId: string, kept: KeptLimits) => void keepLimits.run(hiveId, JSON.stringify(kept)),
    forgetLimits: (hiveId: string) => void forgetLimits.run(hiveId),
  };
}

function jobTables(db: DatabaseSync) {
  const jobs = db.prepare('SELECT snapshot, route FROM jobs ORDER BY created_at, job_id');
  const saveJob = db.prepare(
    `INSERT INTO jobs (job_id, created_at, snapshot) VALUES (?, ?, ?)
     ON CONFLICT (job_id) DO UPDATE SET snapshot = excluded.snapshot`,
  );
  const keepRoute = db.prepare('UPDATE jobs SET route = ? WHERE job_id = ?');
  const deleteJob = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  return {
    jobs: () =>
      jobs.all().map((row) => ({
        snapshot: JSON.parse(String(row['snapshot'])) as Job,
        route: row['route'] === null ? null : (JSON.parse(String(row['route'])) as KeptRoute),
      })),
    saveJob: (job: Job) => void saveJob.run(job.job_id, job.created_at, JSON.stringify(job)),
    keepRoute: (id: JobId, route: KeptRoute) => void keepRoute.run(JSON.stringify(route), id),
    deleteJob: (id: JobId) => void deleteJob.run(id),
  };
}

function placementTable(db: DatabaseSync) {
  // Ids are UUIDv7: they sort by the time they were made.
  const open = db.prepare('SELECT download_id, hive_id FROM placements WHERE ended = 0 ORDER BY download_id');
  const hiveOf = db.prepare('SELECT hive_id FROM placements WHERE download_id = ?');
  const place = db.prepare(
    `INSERT INTO placements (download_id, hive_id) VALUES (?, ?)
     ON CONFLICT (download_id) DO UPDATE SET hive_id = excluded.hive_id WHERE hive_id <> excluded.hive_id`,
  );
  const end = db.prepare('UPDATE placements SET ended = 1 WHERE download_id = ?');
  const forgetOldest = db.prepare(
    `DELETE FROM placements WHERE ended = 1 AND download_id <=
       (SELECT download_id FROM placements WHERE ended = 1 ORDER BY download_id DESC LIMIT 1 OFFSET ${ENDED_PLACEMENTS})`,
  );
  return {
    placements: () =>
      open.all().map((row) => ({
        download_id: String(row['download_id']) as DownloadId,
        hive_id: String(row['hive_id']),
      })),
    hiveOf: (id: DownloadId) => {
      const row = hiveOf.get(id);
      return row === undefined ? null : String(row['hive_id']);
    },
    place: (id: DownloadId, hiveId: string) => void place.run(id, hiveId),
    endPlacement(id: DownloadId) {
      end.run(id);
      forgetOldest.run();
    },
  };
}

function cancelTable(db: DatabaseSync) {
  const cancels = db.prepare('SELECT job_id, hive_id, partial FROM cancels ORDER BY rowid');
  const keepCancel = db.prepare('INSERT OR REPLACE INTO cancels (job_id, hive_id, partial) VALUES (?, ?, ?)');
  const forgetCancel = db.prepare('DELETE FROM cancels WHERE job_id = ? AND hive_id = ?');
  return {
    cancels: () =>
      cancels.all().map((row) => ({
        job_id: String(row['job_id']) as JobId,
        hive_id: String(row['hive_id']),
        partial: String(row['partial']) as PartialChoice,
      })),
    keepCancel: ({ job_id, hive_id, partial }: KeptCancel) => void keepCancel.run(job_id, hive_id, partial),
    forgetCancel: ({ job_id, hive_id }: Pick<KeptCancel, 'job_id' | 'hive_id'>) =>
      void forgetCancel.run(job_id, hive_id),
  };
}
