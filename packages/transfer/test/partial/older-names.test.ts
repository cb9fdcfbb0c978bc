import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { journalPathOf, liveJournalPathOf, printJournal, readBootId } from '../../src/partial/journal.ts';
import { olderPathOf } from '../../src/partial/older-names.ts';
import { openPartial } from '../../src/partial/partial-file.ts';
import type { Span } from '../../src/partial/spans.ts';
import { discardPartial, inspectPartial } from '../../src/partial/stored-partial.ts';

const SHA256 = 'a'.repeat(64);
const WANTED = { size: 100, sha256: SHA256, gitSha1: null };
const boot = await readBootId();

let folder: string;
let path: string;
let older: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rbee-older-'));
  path = join(folder, 'x.rbee-partial');
  older = olderPathOf(path) ?? '';
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function journalOf(ranges: readonly Span[], bootId: string | null = null): string {
  const facts = { url: 'https://host/x', validator: null, size: 100, sha256: SHA256, gitSha1: null };
  return printJournal({ ...facts, boot: bootId, ranges });
}

const SYNCED = journalOf([[0, 20]]);
const LIVE = journalOf([[0, 60]], boot);
const BYTES = 'o'.repeat(60);

async function opened() {
  const partial = await openPartial(path, WANTED);
  const { spans } = partial;
  await partial.close();
  return { spans, names: (await readdir(folder)).sort(), bytes: await readFile(path, 'utf8') };
}

describe('a partial of an older version', () => {
  test('[G3] had names that huggingface_hub deletes, beside its journals', () => {
    expect([older, journalPathOf(older), liveJournalPathOf(older)]).toEqual(
      ['x.rbee.incomplete', 'x.rbee.journal.incomplete', 'x.rbee.journal-live.incomplete'].map((name) =>
        join(folder, name),
      ),
    );
  });

  test.skipIf(boot === null).each<[string, () => Record<string, string>]>([
    ['before anything', () => ({ [older]: BYTES, [journalPathOf(older)]: SYNCED, [liveJournalPathOf(older)]: LIVE })],
    [
      'after the copy of the first journal',
      () => ({
        [older]: BYTES,
        [journalPathOf(older)]: SYNCED,
        [liveJournalPathOf(older)]: LIVE,
        [journalPathOf(path)]: SYNCED,
      }),
    ],
    [
      'in the copy of the second journal',
      () => ({
        [older]: BYTES,
        [journalPathOf(older)]: SYNCED,
        [liveJournalPathOf(older)]: LIVE,
        [journalPathOf(path)]: SYNCED,
        [`${liveJournalPathOf(path)}-new`]: LIVE.slice(0, 30),
      }),
    ],
    [
      'before the rename of the partial',
      () => ({
        [older]: BYTES,
        [journalPathOf(older)]: SYNCED,
        [liveJournalPathOf(older)]: LIVE,
        [journalPathOf(path)]: SYNCED,
        [liveJournalPathOf(path)]: LIVE,
      }),
    ],
    [
      'after the rename of the partial',
      () => ({
        [path]: BYTES,
        [journalPathOf(older)]: SYNCED,
        [liveJournalPathOf(older)]: LIVE,
        [journalPathOf(path)]: SYNCED,
        [liveJournalPathOf(path)]: LIVE,
      }),
    ],
    ['after everything', () => ({ [path]: BYTES, [journalPathOf(path)]: SYNCED, [liveJournalPathOf(path)]: LIVE })],
  ])('[G3] is taken over, also after a crash %s', async (_, files) => {
    for (const [name, text] of Object.entries(files())) await writeFile(name, text);
    expect(await opened()).toMatchObject({ spans: [[0, 60]], bytes: BYTES });
  });

  test('[G3] is renamed with its journals, and nothing keeps its name', async () => {
    await writeFile(older, BYTES);
    await writeFile(journalPathOf(older), SYNCED);
    expect(await opened()).toMatchObject({ spans: [[0, 20]], names: ['x.rbee-journal', 'x.rbee-partial'] });
  });

  test('[G3] does not get a journal that was left under the present names', async () => {
    await writeFile(older, BYTES);
    await writeFile(journalPathOf(path), journalOf([[0, 60]]));
    expect((await opened()).spans).toEqual([]);
  });

  test('[G3] does not take the place of a present one', async () => {
    await writeFile(older, BYTES);
    await writeFile(journalPathOf(older), SYNCED);
    await writeFile(path, 'n'.repeat(10));
    await writeFile(journalPathOf(path), journalOf([[0, 10]]));
    expect(await opened()).toMatchObject({ spans: [[0, 10]], bytes: 'n'.repeat(10) });
  });

  test('[G3] is counted and discarded like a present one', async () => {
    await writeFile(older, BYTES);
    await writeFile(journalPathOf(older), SYNCED);
    expect(await inspectPartial(path, WANTED)).toMatchObject({ bytes: 20, total: 100 });
    expect(await discardPartial(path)).toBe(60 + SYNCED.length);
    expect(await readdir(folder)).toEqual([]);
  });
});
