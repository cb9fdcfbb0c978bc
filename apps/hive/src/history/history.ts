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
import { type DownloadState, isEnded } from '@rbee/download-tracker';
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
  `CREATE TABLE sent (
     download_id TEXT PRIMARY KEY,
     bytes INTEGER NOT NULL,
     wasted INTEGER NOT NULL,
     reused INTEGER NOT NULL,
     elapsed_ms INTEGER NOT NULL
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
  /**
   * Runs `work`, and then saves all that it changed, with one sync for all that comes in this turn of the event loop; or
   * rejects with STATE_UNAVAILABLE and saves nothing of it.
   */
  atomically<T>(work: () => T): Promise<T>;
  saveJob(job: Job): void;
  deleteJob(id: JobId): void;
  /** `isDurable`: it must survive a power failure, too. Anything else that is saved survives the end of the process. */
  saveDownload(download: SavedDownload, isDurable: boolean): void;
  /** Saves the numbers that readers are about to be sent. */
  saveSent(states: readonly DownloadState[]): void;
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
  // Beside the downloads: their rows may be long, and these numbers change four times a second.
  const saveSent = db.prepare(
    'INSERT OR REPLACE INTO sent (download_id, bytes, wasted, reused, elapsed_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const deleteSent = db.prepare('DELETE FROM sent WHERE download_id = ?');
  const jobs = db.prepare('SELECT job_id, snapshot FROM jobs ORDER BY created_at, job_id');
  // Ids are UUIDv7, so they sort by creation time.
  const downloads = db.prepare(
    `SELECT downloads.*, sent.bytes, sent.wasted, sent.reused, sent.elapsed_ms
     FROM downloads LEFT JOIN sent USING (download_id) ORDER BY download_id`,
  );
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
      const state = withSent(readState(id, String(row['state'])), row);
      return { state, sha256: row['sha256'] === null ? null : String(row['sha256']), content: contentOf(id, row) };
    },
    remove: (row) => deleteDownload.run(String(row['download_id'])),
  };

  return {
    atomically: (work) => writer.atomicallySoon(work),
    saveJob: (job) =>
      // Its start is in the batch of its download, and its end follows from that of its download.
      writer.write(`job ${job.job_id}`, () => saveJob.run(job.job_id, job.created_at, JSON.stringify(job)), 'later'),
    deleteJob: (id) => writer.write(`job ${id}`, () => deleteJob.run(id), 'later'),
    saveDownload({ state, sha256 }, isDurable) {
      const id = state.downloadId;
      const save = () => saveDownload.run(id, sha256, JSON.stringify(state));
      writer.write(`download ${id}`, save, isDurable ? 'now' : 'later');
      if (isEnded(state.status)) writer.write(`sent ${id}`, () => deleteSent.run(id), 'later');
    },
    saveSent(states) {
      for (const { downloadId: id, bytes, bytesWasted, bytesReused, elapsedMs } of states) {
        const save = () => saveSent.run(id, bytes, bytesWasted, bytesReused, Math.round(elapsedMs));
        writer.write(`sent ${id}`, save, 'later');
      }
      writer.hand();
    },
    saveContent(id, content) {
      const text = content === null ? null : JSON.stringify(content);
      writer.write(`content ${id}`, () => saveContent.run(text, id), 'later');
    },
    deleteDownload(id) {
      writer.write(`download ${id}`, () => deleteDownload.run(id), 'later');
      writer.write(`sent ${id}`, () => deleteSent.run(id), 'later');
    },
    jobs() {
      writer.hand();
      return rows.readAll(jobs.all(), jobTable);
    },
    downloads() {
      writer.hand();
      return rows.readAll(downloads.all(), downloadTable);
    },
    get badRows() {
      return rows.bad;
    },
    close() {
      writer.close();
      db.close();
    },
  };
}

/** The state with the numbers that readers saw last, which may be newer than it. */
function withSent(state: DownloadState, row: StateRow): DownloadState {
  const [bytes, bytesWasted, bytesReused, elapsedMs] = ['bytes', 'wasted', 'reused', 'elapsed_ms'].map((name) =>
    Number(row[name]),
  );
  if (row['bytes'] === null || bytes === undefined || bytesWasted === undefined || isEnded(state.status)) return state;
  const isNewer = bytes + bytesWasted >= state.bytes + state.bytesWasted;
  const sent = { bytes, bytesWasted, bytesReused: bytesReused ?? 0 };
  return { ...state, ...(isNewer ? sent : {}), elapsedMs: Math.max(state.elapsedMs, elapsedMs ?? 0) };
}
