import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId, Job, JobId } from '@rbee/contract';
import type { DownloadState } from '@rbee/download-tracker';

/** The schema, step by step; a later version adds to the end. */
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

/** A download as it was last known, and what the request said beside its ref. */
export interface KeptDownload {
  readonly state: DownloadState;
  /** The sha256 that the request asked for. */
  readonly sha256: string | null;
}

/** Where a download that has not ended writes, in the store's terms. */
export interface KeptContent {
  readonly place: string;
  readonly blobNames: readonly string[];
}

/** What a hive remembers of its jobs and downloads. Each write is on disk when it returns. */
export interface History {
  keepJob(job: Job): void;
  forgetJob(id: JobId): void;
  keepDownload(download: KeptDownload): void;
  /** For a download that is kept; null once it has ended. */
  keepContent(id: DownloadId, content: KeptContent | null): void;
  forgetDownload(id: DownloadId): void;
  /** Oldest first. */
  jobs(): Job[];
  /** Oldest first. */
  downloads(): (KeptDownload & { readonly content: KeptContent | null })[];
  close(): void;
}

export function createHistory(db: DatabaseSync): History {
  const keepJob = db.prepare('INSERT OR REPLACE INTO jobs (job_id, created_at, snapshot) VALUES (?, ?, ?)');
  const forgetJob = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  const keepDownload = db.prepare(
    `INSERT INTO downloads (download_id, sha256, state) VALUES (?, ?, ?)
     ON CONFLICT (download_id) DO UPDATE SET sha256 = excluded.sha256, state = excluded.state`,
  );
  const keepContent = db.prepare('UPDATE downloads SET content = ? WHERE download_id = ?');
  const forgetDownload = db.prepare('DELETE FROM downloads WHERE download_id = ?');
  const jobs = db.prepare('SELECT snapshot FROM jobs ORDER BY created_at, job_id');
  // Ids are UUIDv7: they sort by the time they were made.
  const downloads = db.prepare('SELECT sha256, state, content FROM downloads ORDER BY download_id');
  return {
    keepJob: (job) => void keepJob.run(job.job_id, job.created_at, JSON.stringify(job)),
    forgetJob: (id) => void forgetJob.run(id),
    keepDownload: ({ state, sha256 }) => void keepDownload.run(state.downloadId, sha256, JSON.stringify(state)),
    keepContent: (id, content) => void keepContent.run(content === null ? null : JSON.stringify(content), id),
    forgetDownload: (id) => void forgetDownload.run(id),
    jobs: () => jobs.all().map((row) => JSON.parse(String(row['snapshot'])) as Job),
    downloads: () =>
      downloads.all().map((row) => ({
        state: JSON.parse(String(row['state'])) as DownloadState,
        sha256: row['sha256'] === null ? null : String(row['sha256']),
        content: row['content'] === null ? null : (JSON.parse(String(row['content'])) as KeptContent),
      })),
    close: () => db.close(),
  };
}
