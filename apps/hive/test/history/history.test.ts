import { open as openFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newDownloadId, newJobId } from '@rbee/contract';
import { openStateDb, StateWriter } from '@rbee/daemon';
import { type DownloadState, DownloadTracker } from '@rbee/download-tracker';
import { createManualClock, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHistory, HISTORY_MIGRATIONS, type History } from '../../src/history/history.ts';

let folder: TempDir;
let damage: string[];
beforeEach(async () => {
  folder = await tempDir();
  damage = [];
});
afterEach(() => folder.remove());

function open(): History {
  const path = join(folder.path, 'deep', 'hive.sqlite');
  const db = openStateDb(path, { migrations: HISTORY_MIGRATIONS, onDamage: (movedTo) => damage.push(movedTo) });
  const log = { info: () => {}, error: () => {} };
  const writer = new StateWriter(db, { clock: createManualClock(), log, what: 'the history' });
  return createHistory({ db, writer, onBadRow: () => {} });
}

function states(count: number): DownloadState[] {
  const tracker = new DownloadTracker({ clock: createManualClock() });
  const kept = new Map<string, DownloadState>();
  tracker.onKeep((state) => kept.set(state.downloadId, state));
  for (let index = 0; index < count; index += 1) {
    const downloadId = newDownloadId(1_000 + index);
    const more = { modelRef: `hf:org/m${index}`, priority: index, maxBandwidth: null, retryOf: null };
    tracker.start({ downloadId, jobId: newJobId(), hiveId: 'hive-a', ...more });
  }
  return [...kept.values()];
}

describe('the history', () => {
  it('has the last saved state of everything after a restart, oldest first', () => {
    const [first, second] = states(2);
    if (!first || !second) throw new Error('two states');
    const history = open();
    history.saveDownload({ state: second, sha256: null }, true);
    history.saveDownload({ state: first, sha256: 'ab' }, true);
    history.saveDownload({ state: { ...first, status: 'failed', endedAtMs: 5_000 }, sha256: 'ab' }, true);
    history.close();
    const later = open();
    expect(later.downloads()).toEqual([
      { state: { ...first, status: 'failed', endedAtMs: 5_000 }, sha256: 'ab', content: null },
      { state: second, sha256: null, content: null },
    ]);
    later.deleteDownload(first.downloadId);
    expect(later.downloads().map(({ state }) => state.downloadId)).toEqual([second.downloadId]);
    later.close();
  });

  it('has the content of a download until it is deleted, whatever else is saved of it', () => {
    const [state] = states(1);
    if (!state) throw new Error('one state');
    const content = { place: 'hf:org/m0', blobNames: ['a'.repeat(64)] };
    const contents = () => {
      const history = open();
      const kept = history.downloads().map((download) => download.content);
      history.close();
      return kept;
    };
    const history = open();
    history.saveDownload({ state, sha256: null }, true);
    history.saveContent(state.downloadId, content);
    history.saveDownload({ state: { ...state, status: 'paused' }, sha256: null }, true);
    history.close();
    expect(contents()).toEqual([content]);
    const later = open();
    later.saveContent(state.downloadId, null);
    later.close();
    expect(contents()).toEqual([null]);
  });

  it('of an older version is migrated', () => {
    const path = join(folder.path, 'deep', 'hive.sqlite');
    const [state] = states(1);
    if (!state) throw new Error('one state');
    const db = openStateDb(path, { migrations: HISTORY_MIGRATIONS.slice(0, 1), onDamage: () => {} });
    const insert = db.prepare('INSERT INTO downloads (download_id, sha256, state) VALUES (?, ?, ?)');
    insert.run(state.downloadId, null, JSON.stringify(state));
    db.close();
    const history = open();
    expect(history.downloads()).toEqual([{ state, sha256: null, content: null }]);
    history.close();
  });

  it('[F3] that is damaged is moved aside with an error in the log, and replaced by a new one', async () => {
    open().close();
    const path = join(folder.path, 'deep', 'hive.sqlite');
    await writeFile(path, 'this is no database, and long enough to be read as one'.repeat(100));
    const history = open();
    expect(history.downloads()).toEqual([]);
    expect(damage).toHaveLength(1);
    history.close();
    expect((await readdir(join(folder.path, 'deep'))).some((name) => name.includes('damaged'))).toBe(true);
  });

  it('[F3] with one damaged page is moved aside too, before anything reads it', async () => {
    const history = open();
    const [state] = states(1);
    if (!state) throw new Error('one state');
    history.saveDownload({ state, sha256: null }, true);
    history.close();
    const path = join(folder.path, 'deep', 'hive.sqlite');
    const file = await openFile(path, 'r+');
    // The first page, with the schema, stays as it is.
    await file.write(Buffer.alloc((await stat(path)).size - 4096, 0xff), 0, undefined, 4096);
    await file.close();
    const later = open();
    expect(later.downloads()).toEqual([]);
    expect(damage).toHaveLength(1);
    later.close();
  });

  it('belongs to one daemon at a time', () => {
    const history = open();
    expect(open).toThrow(/another daemon uses the state folder/);
    history.close();
    open().close();
  });

  it('of a newer version is refused, not read', () => {
    const path = join(folder.path, 'newer.sqlite');
    const more = [...HISTORY_MIGRATIONS, 'CREATE TABLE later (x TEXT) STRICT'];
    openStateDb(path, { migrations: more, onDamage: () => {} }).close();
    expect(() => openStateDb(path, { migrations: HISTORY_MIGRATIONS, onDamage: () => {} })).toThrow(/newer version/);
  });
});
