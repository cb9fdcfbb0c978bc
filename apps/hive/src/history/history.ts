import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId, Job, JobId } from '@rbee/contract';
import type { StateWriter } from '@rbee/daemon';
import type { DownloadState } from '@rbee/download-tracker';
import { type DownloadContent, readContent, readJob, readState } from './saved-rows.ts';

/** The schema, step by step; a later version appends to it. */
export const HISTORY_MIGRATIONS = [
  `CREATE TABLE jobs (
     job_id TEXT PRIMARY KEY,
     created_at TEXT NOT NULL,
     snapshot TEXT NOT NULL
   ) STRICT;
   CREATE TABLE downloads (
     download_id TEXT PRIMARY KEY,
     sha256 TEXT,
     state TEXT NOT NULL
   ) STRICT`,
  'ALTER TABLE downloads ADD COLUMN content TEXT',
  `CREATE TABLE bad_rows (
     row TEXT PRIMARY KEY,
     problem TEXT NOT NULL,
     content TEXT NOT NULL
   ) STRICT`,
] as const;

/** The last saved state of a download, and the part of its request that the state lacks. */
interface SavedDownload {
  readonly state: DownloadState;
  /** The sha256 that the request expects. */
  readonly sha256: string | null;
}

/** What a hive remembers of its jobs and downloads. A write that fails does not throw: see `StateWriter`. */
export interface History {
  /** Runs `work`, and then saves all that it changed, or throws STATE_UNAVAILABLE and saves nothing of it. */
  atomically<T>(work: () => T): T;
  saveJob(job: Job): void;
  deleteJob(id: JobId): void;
  saveDownload(download: SavedDownload): void;
  /** For a saved download; null once it has ended. */
  saveContent(id: DownloadId, content: DownloadContent | null): void;
  deleteDownload(id: DownloadId): void;
  /** Oldest first. Rows that cannot be read are put aside. */
  jobs(): Job[];
  /** Oldest first. Rows that cannot be read are put aside. */
  downloads(): (SavedDownload & { readonly content: DownloadContent | null })[];
  /** Rows that could not be read, since the start. */
  readonly badRows: number;
  close(): void;
}

export interface HistoryDeps {
  readonly db: DatabaseSync;
  readonly writer: StateWriter;
  /** Called with each row that cannot be read, such as `job job-…`. */
  readonly onBadRow: (row: string, problem: unknown) => void;
}

export function createHistory({ db, writer, onBadRow }: HistoryDeps): History {
  const saveJob = db.prepare('INSERT OR REPLACE INTO jobs (job_id, created_at, snapshot) VALUES (?, ?, ?)');
  const deleteJob = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  const saveDownload = db.prepare(
    `INSERT INTO downloads (download_id, sha256, state) VALUES (?, ?, ?)
     ON CONFLICT (download_id) DO UPDATE SET sha256 = excluded.sha256, state = excluded.state`,
  );
  const saveContent = db.prepare('UPDATE downloads SET content = ? WHERE download_id = ?');
  const deleteDownload = db.prepare('DELETE FROM downloads WHERE download_id = ?');
  const putAside = db.prepare('INSERT OR REPLACE INTO bad_rows (row, problem, content) VALUES (?, ?, ?)');
  const jobs = db.prepare('SELECT job_id, snapshot FROM jobs ORDER BY created_at, job_id');
  // Ids are UUIDv7, so they sort by creation time.
  const downloads = db.prepare('SELECT download_id, sha256, state, content FROM downloads ORDER BY download_id');
  let badRows = 0;

  function setAside(name: string, error: unknown, row: Row, remove: () => unknown): void {
    badRows += 1;
    onBadRow(name, error);
    writer.write(name, () => {
      putAside.run(name, messageOf(error), JSON.stringify(row));
      remove();
    });
  }

  /** A download can do without its content, so it is set aside alone. */
  function contentOf(id: string, row: Row): DownloadContent | null {
    if (row['content'] === null) return null;
    try {
      return readContent(String(row['content']));
    } catch (error) {
      setAside(`content ${id}`, error, row, () => saveContent.run(null, id));
      return null;
    }
  }

  /** Reads each row by itself: one that cannot be read must cost no other, nor the start. */
  function readAll<T>(rows: readonly Row[], kind: 'job' | 'download', read: (id: string, row: Row) => T): T[] {
    const found: T[] = [];
    for (const row of rows) {
      const id = String(row[`${kind}_id`]);
      try {
        found.push(read(id, row));
      } catch (error) {
        setAside(`${kind} ${id}`, error, row, () => (kind === 'job' ? deleteJob : deleteDownload).run(id));
      }
    }
    return found;
  }

  return {
    atomically: (work) => writer.atomically(work),
    saveJob: (job) =>
      writer.write(`job ${job.job_id}`, () => saveJob.run(job.job_id, job.created_at, JSON.stringify(job))),
    deleteJob: (id) => writer.write(`job ${id}`, () => deleteJob.run(id)),
    saveDownload: ({ state, sha256 }) =>
      writer.write(`download ${state.downloadId}`, () =>
        saveDownload.run(state.downloadId, sha256, JSON.stringify(state)),
      ),
    saveContent: (id, content) =>
      writer.write(`content ${id}`, () => saveContent.run(content === null ? null : JSON.stringify(content), id)),
    deleteDownload: (id) => writer.write(`download ${id}`, () => deleteDownload.run(id)),
    jobs: () => readAll(jobs.all(), 'job', (id, row) => readJob(id, String(row['snapshot']))),
    downloads: () =>
      readAll(downloads.all(), 'download', (id, row) => ({
        state: readState(id, String(row['state'])),
        sha256: row['sha256'] === null ? null : String(row['sha256']),
        content: contentOf(id, row),
      })),
    get badRows() {
      return badRows;
    },
    close() {
      writer.close();
      db.close();
    },
  };
}

type Row = Record<string, unknown>;

/** One line; a schema's problems are listed one by one in its message. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
}
