import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId, Job, JobId } from '@rbee/contract';
import type { DownloadState } from '@rbee/download-tracker';

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
] as const;

/** The last saved state of a download, and the part of its request that the state lacks. */
interface SavedDownload {
  readonly state: DownloadState;
  /** The sha256 that the request expects. */
  readonly sha256: string | null;
}

/** Where a download writes, in the store's terms. */
export interface DownloadContent {
  readonly place: string;
  readonly blobNames: readonly string[];
}

/** What a hive remembers of its jobs and downloads. Each write is on disk when it returns. */
export interface History {
  saveJob(job: Job): void;
  deleteJob(id: JobId): void;
  saveDownload(download: SavedDownload): void;
  /** For a saved download; null once it has ended. */
  saveContent(id: DownloadId, content: DownloadContent | null): void;
  deleteDownload(id: DownloadId): void;
  /** Oldest first. */
  jobs(): Job[];
  /** Oldest first. */
  downloads(): (SavedDownload & { readonly content: DownloadContent | null })[];
  close(): void;
}

export function createHistory(db: DatabaseSync): History {
  const saveJob = db.prepare('INSERT OR REPLACE INTO jobs (job_id, created_at, snapshot) VALUES (?, ?, ?)');
  const deleteJob = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  const saveDownload = db.prepare(
    `INSERT INTO downloads (download_id, sha256, state) VALUES (?, ?, ?)
     ON CONFLICT (download_id) DO UPDATE SET sha256 = excluded.sha256, state = excluded.state`,
  );
  const saveContent = db.prepare('UPDATE downloads SET content = ? WHERE download_id = ?');
  const deleteDownload = db.prepare('DELETE FROM downloads WHERE download_id = ?');
  const jobs = db.prepare('SELECT snapshot FROM jobs ORDER BY created_at, job_id');
  // Ids are UUIDv7, so they sort by creation time.
  const downloads = db.prepare('SELECT sha256, state, content FROM downloads ORDER BY download_id');
  return {
    saveJob: (job) => void saveJob.run(job.job_id, job.created_at, JSON.stringify(job)),
    deleteJob: (id) => void deleteJob.run(id),
    saveDownload: ({ state, sha256 }) => void saveDownload.run(state.downloadId, sha256, JSON.stringify(state)),
    saveContent: (id, content) => void saveContent.run(content === null ? null : JSON.stringify(content), id),
    deleteDownload: (id) => void deleteDownload.run(id),
    jobs: () => jobs.all().map((row) => JSON.parse(String(row['snapshot'])) as Job),
    downloads: () =>
      downloads.all().map((row) => ({
        state: JSON.parse(String(row['state'])) as DownloadState,
        sha256: row['sha256'] === null ? null : String(row['sha256']),
        content: row['content'] === null ? null : (JSON.parse(String(row['content'])) as DownloadContent),
      })),
    close: () => db.close(),
  };
}
