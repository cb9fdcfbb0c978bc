import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createManualClock, type ManualClock, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateDb, StateWriter } from '../../src/index.ts';

// Goal: writes reach the disk with few syncs, and a write that fails neither throws nor holds back another. Method: a real
// file, whose writes are refused by a trigger.

const MIGRATIONS = ['CREATE TABLE pairs (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT'];

let folder: TempDir;
let db: DatabaseSync;
let clock: ManualClock;
let log: string[];
let writer: StateWriter;
/** Transactions so far, and whether each was synced. */
let transactions: boolean[];

beforeEach(async () => {
  folder = await tempDir();
  db = openStateDb(join(folder.path, 'state.sqlite'), { migrations: MIGRATIONS, onDamage: () => {} });
  clock = createManualClock();
  log = [];
  transactions = [];
  const exec = db.exec.bind(db);
  db.exec = (sql) => {
    const { synchronous } = db.prepare('PRAGMA synchronous').get() as { synchronous: number };
    if (sql === 'COMMIT') transactions.push(synchronous === 2);
    exec(sql);
  };
  const note = (_: object, message: string) => log.push(message);
  writer = new StateWriter(db, { clock, log: { info: note, error: note }, what: 'the state' });
});
afterEach(async () => {
  db.close();
  await folder.remove();
});

const put = (name: string, value: string, when?: 'now' | 'soon' | 'later') =>
  writer.write(
    `pair ${name}`,
    () => db.prepare('INSERT OR REPLACE INTO pairs (name, value) VALUES (?, ?)').run(name, value),
    when,
  );
const saved = () =>
  Object.fromEntries(
    db
      .prepare('SELECT name, value FROM pairs ORDER BY rowid')
      .all()
      .map((row) => [row['name'], row['value']]),
  );
const refuse = (when = '1') =>
  db.exec(`CREATE TRIGGER refused BEFORE INSERT ON pairs WHEN ${when} BEGIN SELECT RAISE(ABORT, 'no room'); END`);
const allow = () => db.exec('DROP TRIGGER refused');

describe('the writer of a state', () => {
  it('puts a write on disk when the call returns, with a sync', () => {
    put('a', '1');
    expect(saved()).toEqual({ a: '1' });
    expect(transactions).toEqual([true]);
  });

  it('[L4] syncs once for all writes of one turn of the event loop', async () => {
    for (let n = 0; n < 200; n += 1) put(String(n), 'x', 'soon');
    expect(saved()).toEqual({});
    await nextTurn();
    expect(Object.keys(saved())).toHaveLength(200);
    expect(transactions).toEqual([true]);
  });

  it('[L4] syncs once for all that must begin together in one turn, and says when it is done', async () => {
    const started = Array.from({ length: 200 }, (_, n) => writer.atomicallySoon(() => put(String(n), 'x')));
    await Promise.all(started);
    expect(Object.keys(saved())).toHaveLength(200);
    expect(transactions).toEqual([true]);
  });

  it('[L4] does not sync for a write that can wait, and writes it soon nevertheless', () => {
    put('a', '1', 'later');
    put('b', '1', 'later');
    put('a', '2', 'later');
    expect([saved(), writer.unsaved]).toEqual([{}, 0]);
    clock.advance(100);
    expect(Object.entries(saved())).toEqual([
      ['a', '2'],
      ['b', '1'],
    ]);
    expect(transactions).toEqual([false]);
    put('c', '1');
    expect(transactions).toEqual([false, true]);
  });

  it('writes what can wait with the next write that cannot, in one transaction', () => {
    put('a', '1', 'later');
    put('b', '1');
    expect(transactions).toEqual([true]);
    expect(saved()).toEqual({ a: '1', b: '1' });
    clock.advance(100);
    expect(transactions).toEqual([true]);
  });

  it.each(['now', 'soon', 'later'] as const)('[L2] keeps a write for %s that fails, and repeats it', async (when) => {
    refuse();
    put('a', '1', when);
    await nextTurn();
    clock.advance(100);
    expect([saved(), writer.unsaved]).toEqual([{}, 1]);
    expect(writer.failures).toBeGreaterThan(0);
    allow();
    clock.advance(5_000);
    expect([saved(), writer.unsaved]).toEqual([{ a: '1' }, 0]);
    expect(log).toEqual(['the state cannot be written; work continues without it', 'the state can be written again']);
  });

  it('[L2] lets one row that can never be written hold back no other', () => {
    refuse("NEW.name = 'bad'");
    put('bad', '1');
    put('a', '1');
    put('b', '1');
    expect(saved()).toEqual({ a: '1', b: '1' });
    expect(writer.unsaved).toBe(1);
  });

  it('[L2] refuses what must not begin unsaved, alone', async () => {
    refuse("NEW.name = 'bad'");
    const [bad, good] = await Promise.allSettled([
      writer.atomicallySoon(() => {
        put('c', '1');
        put('bad', '1');
      }),
      writer.atomicallySoon(() => put('a', '1')),
    ]);
    expect(bad).toMatchObject({ reason: { code: 'STATE_UNAVAILABLE', retryAfterMs: 10_000 } });
    expect(good.status).toBe('fulfilled');
    expect(() => writer.atomically(() => put('bad', '2'))).toThrow(/cannot be written/);
    expect([saved(), writer.unsaved]).toEqual([{ a: '1' }, 0]);
  });

  it('[L2] keeps the earlier write of a row where a later one is refused', () => {
    refuse();
    put('a', '1');
    expect(() => writer.atomically(() => put('a', '2'))).toThrow(/cannot be written/);
    allow();
    writer.flush();
    expect(saved()).toEqual({ a: '1' });
  });

  it('[L2] writes nothing of a start that throws', async () => {
    const start = writer.atomicallySoon(() => {
      put('a', '1');
      throw new Error('no');
    });
    await expect(start).rejects.toThrow('no');
    writer.close();
    expect(saved()).toEqual({});
  });

  it('[L2] never throws, whatever the database does', () => {
    db.close();
    put('a', '1');
    put('b', '1', 'later');
    expect(() => writer.close()).not.toThrow();
    expect(writer.unsaved).toBe(2);
    db = openStateDb(join(folder.path, 'state.sqlite'), { migrations: MIGRATIONS, onDamage: () => {} });
  });

  it('writes everything when it is closed', () => {
    put('a', '1', 'later');
    put('b', '1', 'soon');
    writer.close();
    expect(saved()).toEqual({ a: '1', b: '1' });
  });
});
