import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId, Job, JobId } from '@rbee/contract';
import {
  BAD_ROWS_TABLE,
  readSavedJob,
  type StateRow,
  StateRows,
  type StateTable,
  type StateWriter,
} from '@rbee/daemon';
import type { DownloadState } from '@rbee/download-tracker';
import { type DownloadContent, readContent, readState } from './saved-rows.ts';

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
  BAD_ROWS_TABLE,
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
  const jobs = db.prepare('SELECT job_id, snapshot FROM jobs ORDER BY created_at, job_id');
  // Ids are UUIDv7, so they sort by creation time.
  const downloads = db.prepare('SELECT download_id, sha256, state, content FROM downloads ORDER BY download_id');
  const rows = new StateRows({ db, writer, onBadRow });

  /** A download can do without its content, so it is set aside alone. */
  function contentOf(id: string, row: StateRow): DownloadContent | null {
    if (row['content'] === null) return null;
    try {
      return readContent(String(row['content']));
    } catch (error) {
      rows.setAside(`content ${id}`, error, row, () => saveContent.run(null, id));
      return null;
    }
  }

  const jobTable: StateTable<Job> = {
    nameOf: (row) => `job ${row['job_id']}`,
    read: (row) => readSavedJob(String(row['job_id']), String(row['snapshot'])),
    remove: (row) => deleteJob.run(String(row['job_id'])),
  };
  const downloadTable: StateTable<SavedDownload & { readonly content: DownloadContent | null }> = {
    nameOf: (row) => `download ${row['download_id']}`,
    read(row) {
      const id = String(row['download_id']);
      const state = readState(id, String(row['state']));
      return { state, sha256: row['sha256'] === null ? null : String(row['sha256']), content: contentOf(id, row) };
    },
    remove: (row) => deleteDownload.run(String(row['download_id'])),
  };

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
    jobs: () => rows.readAll(jobs.all(), jobTable),
    downloads: () => rows.readAll(downloads.all(), downloadTable),
    get badRows() {
      return rows.bad;
    },
    close() {
      writer.close();
      db.close();
    },
  };
}
