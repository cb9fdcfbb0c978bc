import type { DatabaseSync } from 'node:sqlite';
import type { DownloadId } from '@rbee/contract';
import type { StateRows, StateWriter } from '@rbee/daemon';
import { type KeptPlacement, readPlacement } from './saved-rows.ts';

/** Maximum number of ended downloads whose hive is remembered; the first to end go first. */
const ENDED_PLACEMENTS = 10_000;

export interface TableDeps {
  readonly db: DatabaseSync;
  readonly writer: StateWriter;
  readonly rows: StateRows;
}

/** Which hive has which download. */
export interface Placements {
  /** Downloads that had not ended at the start, oldest first. */
  placements(): KeptPlacement[];
  hiveOf(id: DownloadId): string | null;
  place(id: DownloadId, hiveId: string): void;
  endPlacement(id: DownloadId): void;
}

/** Kept in memory too: what is asked for while the queen runs needs no disk. */
export function placementTable({ db, writer, rows }: TableDeps): Placements {
  // Ids are UUIDv7: they sort by the time they were made.
  const all = db.prepare('SELECT download_id, hive_id, ended FROM placements ORDER BY download_id');
  const save = db.prepare(
    `INSERT INTO placements (download_id, hive_id, ended) VALUES (?, ?, ?)
     ON CONFLICT (download_id) DO UPDATE SET hive_id = excluded.hive_id, ended = excluded.ended`,
  );
  const remove = db.prepare('DELETE FROM placements WHERE download_id = ?');
  const kept = rows.readAll(all.all(), {
    nameOf: (row) => `placement ${row['download_id']}`,
    read: readPlacement,
    remove: (row) => remove.run(String(row['download_id'])),
  });
  const hives = new Map(kept.map(({ download_id, hive_id }) => [download_id, hive_id]));
  const ended = new Set(kept.filter((row) => row.ended !== 0).map(({ download_id }) => download_id));

  function write(id: DownloadId): void {
    const hiveId = hives.get(id);
    const isEnded = ended.has(id) ? 1 : 0;
    const change = hiveId === undefined ? () => remove.run(id) : () => save.run(id, hiveId, isEnded);
    // Where a download is, its hive knows as well; its end is on disk with that of its job.
    writer.write(`placement ${id}`, change, 'later');
  }

  return {
    placements: () =>
      kept.flatMap(({ download_id, hive_id }) => (ended.has(download_id) ? [] : [{ download_id, hive_id }])),
    hiveOf: (id) => hives.get(id) ?? null,
    place(id, hiveId) {
      if (hives.get(id) === hiveId) return;
      hives.set(id, hiveId);
      write(id);
    },
    endPlacement(id) {
      if (!hives.has(id) || ended.has(id)) return;
      ended.add(id);
      write(id);
      const [first] = ended;
      if (ended.size <= ENDED_PLACEMENTS || first === undefined) return;
      ended.delete(first);
      hives.delete(first);
      write(first);
    },
  };
}
