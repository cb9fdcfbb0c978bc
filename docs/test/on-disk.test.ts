import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HISTORY_MIGRATIONS } from '../../apps/hive/src/history/history.ts';
import { hiveAddressPath, publishAddress } from '../../apps/hive/src/store/address.ts';
import { MIN_AGE_MS } from '../../apps/hive/src/store/cleanup/prune.ts';
import { catalogEntrySchema } from '../../apps/hive/src/store/contents/catalog.ts';
import { createLayout } from '../../apps/hive/src/store/layout.ts';
import { lockStore } from '../../apps/hive/src/store/lock.ts';
import { openStore } from '../../apps/hive/src/store/store.ts';
import { STATE_MIGRATIONS } from '../../apps/queen/src/state/state.ts';
import { systemClock } from '../../packages/contract/src/index.ts';
import { openStateDb } from '../../packages/daemon/src/index.ts';
import { journalPathOf, parseJournal, printJournal, saveJournal } from '../../packages/transfer/src/partial/journal.ts';
import { fieldsOf } from './schema-text.ts';
import { cell, column, readPage, sourceOf, tableUnder } from './support.ts';

const page = await readPage('docs/reference/on-disk.md');
const PLACE = 'hf:org/name';
const OWN_PLACE = 'https:some-name';
const COMMIT = 'a'.repeat(40);
const ETAG = 'b'.repeat(64);
const PATH = 'a/b.gguf';
const JOURNAL = {
  boot: null,
  url: 'https://host/path',
  validator: '"x"',
  size: 10,
  sha256: ETAG,
  gitSha1: null,
  ranges: [[0, 5]],
} as const;

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

/** A path with its names in place of what they stand for. */
function generic(path: string): string {
  return relative(folder.path, path)
    .replaceAll('\\', '/')
    .replace(/^hub\//, '')
    .replace('rbee.https--some-name', 'rbee.<scheme>--<name>')
    .replace(/\/m-[0-9a-f]{12}\./, '/<model_id>.')
    .replace(COMMIT, '<commit>')
    .replace(ETAG, '<etag>')
    .replace(PATH, '<path>')
    .replace(/refs\/main$/, 'refs/<revision>')
    .replace('rbee-trial-data', 'rbee-trial-*');
}

describe('docs/reference/on-disk.md', () => {
  it('lists every path of the store, and no other', async () => {
    const layout = createLayout(join(folder.path, 'hub'));
    const partial = layout.partial(PLACE, ETAG);
    await mkdir(dirname(partial), { recursive: true });
    await writeFile(layout.blob(PLACE, ETAG), '');
    await writeFile(partial, '');
    await saveJournal(partial, JOURNAL);
    await saveJournal(partial, { ...JOURNAL, boot: 'this start' });
    const store = await openStore(layout, { clock: systemClock });
    const modelRef = `hf:org/name@${COMMIT}::file=${PATH}`;
    const files = [{ path: PATH, blobName: ETAG, sha256: ETAG }];
    await store.publish({ place: PLACE, revision: 'main', commit: COMMIT, modelRef, files });
    await mkdir(layout.blobsFolder(OWN_PLACE), { recursive: true });
    await writeFile(layout.blob(OWN_PLACE, ETAG), '');
    await store.publish({ place: OWN_PLACE, revision: COMMIT, commit: COMMIT, modelRef, files });
    await writeFile(layout.damaged(PLACE, ETAG), '');
    const lock = await lockStore(layout, 0);
    await writeFile(layout.trialFile('data'), '');
    const address = { hive_id: 'h', hive_url: 'http://127.0.0.1:1', queen_url: null };
    const path = hiveAddressPath(layout);
    const removeAddress = await publishAddress({ path, parent: null, log: { warn: () => {} } }, address);
    const fields = Object.keys(JSON.parse(await readFile(path, 'utf8')));
    expect(column(tableUnder(page, 'Its address'), 'Field')).toEqual(fields);

    const entries = await readdir(folder.path, { recursive: true, withFileTypes: true });
    const written = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    const documented = ['The store', 'Other sources'].flatMap((heading) => column(tableUnder(page, heading), 'Path'));
    expect(documented.sort()).toEqual(written.map(generic).sort());

    const link = layout.snapshotFile(PLACE, COMMIT, PATH);
    expect(page.prose).toContain(`\`${(await readlink(link)).replace(ETAG, '<etag>')}\``);
    expect(await readFile(layout.ref(PLACE, 'main'), 'utf8')).toBe(COMMIT);
    await removeAddress();
    await lock.release();
  });

  it('lists the fields of the journal, each of the type it says', () => {
    const journal = JSON.parse(printJournal(JOURNAL)) as Record<string, unknown>;
    const rows = tableUnder(page, 'The partial').rows;
    expect(rows.map((row) => cell(row, 'Field'))).toEqual(Object.keys(journal));
    for (const row of rows) {
      const isNullable = cell(row, 'Type').endsWith(' or null');
      const field = cell(row, 'Field');
      if (['version', 'check', 'url', 'ranges'].includes(field)) expect(isNullable).toBe(false);
      else
        expect([field, parseJournal(printJournal({ ...JOURNAL, [field]: null })) !== null]).toEqual([
          field,
          isNullable,
        ]);
    }
    expect(rows.find((row) => cell(row, 'Field') === 'version')?.['Meaning']).toMatch(
      new RegExp(`^${String(journal['version'])}\\b`),
    );
  });

  it('names the journal as it is named beside a partial', () => {
    const partial = '<etag>.rbee-partial';
    expect(column(tableUnder(page, 'The store'), 'Path')).toContain(
      `models--org--name/blobs/${journalPathOf(partial)}`,
    );
  });

  it('names the journals that are not in their places yet', async () => {
    const text = await sourceOf('packages/transfer');
    const names = new Set([...text.matchAll(/'(journal[a-z-]*-new)'/g)].map(([, name]) => name));
    expect(names.size).toBeGreaterThan(0);
    for (const name of names) expect(page.prose).toContain(`\`….rbee-${name}\``);
  });

  it('lists the fields of an entry of the catalog', () => {
    const documented = (heading: string) =>
      tableUnder(page, heading).rows.map((row) => [cell(row, 'Field'), cell(row, 'Type')]);
    expect(documented('The catalog')).toEqual(fieldsOf(catalogEntrySchema));
    expect(documented('A file of an entry')).toEqual(fieldsOf(catalogEntrySchema.shape.files.element));
  });

  it('says how old a thing must be before a prune takes it', () => {
    expect(page.prose).toContain(`${MIN_AGE_MS / 3_600_000} hours`);
  });

  it('lists the fields of the lock', async () => {
    const layout = createLayout(folder.path);
    const lock = await lockStore(layout, 0);
    const content = JSON.parse(await readFile(layout.lockFile(), 'utf8')) as Record<string, unknown>;
    await lock.release();
    expect(column(tableUnder(page, 'The lock'), 'Field')).toEqual(Object.keys(content));
  });
});

describe('the history in docs/reference/on-disk.md', () => {
  const [files, tables] = page.tables.filter(({ heading }) => heading === 'The history');
  if (!files || !tables) throw new Error('the history has a table of files and one of columns');

  it('lists every file of the state folder', async () => {
    const options = { migrations: HISTORY_MIGRATIONS, onDamage: () => {} };
    const path = join(folder.path, 'hive.sqlite');
    await writeFile(path, 'not a database');
    openStateDb(path, options).close();
    const db = openStateDb(path, options);
    db.exec("INSERT INTO jobs VALUES ('job', 'now', '{}')");
    const written = (await readdir(folder.path)).map((name) => name.replace(/\d+$/, '<ms>'));
    db.close();
    expect(column(files, 'File').sort()).toEqual(written.sort());
  });

  it.each([
    ['a hive', tables, HISTORY_MIGRATIONS],
    ['a queen', tableUnder(page, 'The state of a queen'), STATE_MIGRATIONS],
  ])('lists every column of every table of %s', (_, table, migrations) => {
    const db = new DatabaseSync(':memory:');
    for (const step of migrations) db.exec(step);
    const known = db.prepare(
      'SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = \'table\'',
    );
    const documented = table.rows.map((row) => [cell(row, 'Table'), cell(row, 'Column')]);
    expect(documented).toEqual(known.all().map((row) => [row['table'], row['column']]));
    db.close();
  });
});
