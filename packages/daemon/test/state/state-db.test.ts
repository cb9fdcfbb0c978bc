import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateDb } from '../../src/index.ts';

// Goal: a daemon starts, whatever has become of its file; the file is kept for people. Method: a good file of many pages,
// damaged in one way.

const MIGRATIONS = [
  'CREATE TABLE pairs (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT',
  'ALTER TABLE pairs ADD COLUMN more TEXT',
];
const ROWS = 500;
const PAGE = 4096;

let folder: TempDir;
let path: string;
let damage: string[];
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, 'state.sqlite');
  damage = [];
  const db = open();
  const insert = db.prepare('INSERT INTO pairs (name, value) VALUES (?, ?)');
  db.exec('BEGIN');
  for (let n = 0; n < ROWS; n += 1) insert.run(`name-${n}`, 'x'.repeat(200));
  db.exec('COMMIT');
  db.close();
});
afterEach(() => folder.remove());

const open = () => openStateDb(path, { migrations: MIGRATIONS, onDamage: (movedTo) => damage.push(movedTo) });

function overwrite(at: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, at);
  writeFileSync(path, content);
}

const version = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

function change(sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

describe('a state file', () => {
  it.each([
    ['that is something else', () => writeFileSync(path, 'hello '.repeat(1_000))],
    ['with a damaged first page', () => overwrite(0, Buffer.alloc(PAGE, 7))],
    ['with a damaged header', () => overwrite(16, Buffer.alloc(30, 0xff))],
    ['with an impossible version', () => overwrite(60, version(0x7fff_0000))],
    ['with a negative version', () => overwrite(60, version(-5))],
    ['with one damaged page', () => overwrite(PAGE * 4, Buffer.alloc(PAGE, 0xa5))],
    ['with all pages but the first zeroed', () => overwrite(PAGE, Buffer.alloc(readFileSync(path).length - PAGE))],
    ['that lost its second half', () => truncateSync(path, PAGE * 10)],
    ['that was cut in the middle of a page', () => truncateSync(path, PAGE * 10 + 100)],
    ['that was cut in its header', () => truncateSync(path, 50)],
    ['that lacks a table', () => change('DROP TABLE pairs')],
    ['that lacks a column', () => change('ALTER TABLE pairs DROP COLUMN value')],
    ['whose schema fits no version', () => change('DROP TABLE pairs; PRAGMA user_version = 1')],
  ])('[L8] %s is moved aside, and a new one is used', async (_, spoil) => {
    spoil();
    const db = open();
    expect(db.prepare('SELECT count(*) AS rows FROM pairs').get()).toEqual({ rows: 0 });
    db.close();
    expect(damage).toHaveLength(1);
    expect(await readdir(folder.path)).toEqual(['state.sqlite', expect.stringMatching(/^state\.sqlite\.damaged-\d+$/)]);
  });

  it.each([
    ['is empty', () => writeFileSync(path, '')],
    ['has a damaged log of changes', () => writeFileSync(`${path}-wal`, Buffer.alloc(10_000, 7))],
    ['is as it was', () => {}],
  ])('that %s is used', (_, spoil) => {
    spoil();
    open().close();
    expect(damage).toEqual([]);
  });

  it('of a newer version is left alone', () => {
    change('PRAGMA user_version = 3');
    expect(open).toThrow(/state\.sqlite was written by a newer version/);
    expect(damage).toEqual([]);
  });

  it('[L2] names the folder and says what to do where it cannot be used', () => {
    const under = join(path, 'folder', 'state.sqlite');
    expect(() => openStateDb(under, { migrations: MIGRATIONS, onDamage: () => {} })).toThrow(
      /^cannot use the state folder .*folder: .*; make the folder writable, free disk space, or set another state folder$/,
    );
  });
});
