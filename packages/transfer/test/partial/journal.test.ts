import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Journal,
  journalPathOf,
  liveJournalPathOf,
  loadJournal,
  parseJournal,
  printJournal,
  publicUrlOf,
  removeJournal,
  saveJournal,
} from '../../src/partial/journal.ts';
import { createFixture, type Fixture } from '../fixture.ts';

const journal: Journal = {
  boot: null,
  url: 'https://cdn.example/model.bin',
  validator: '"v1"',
  size: 1_000,
  sha256: 'ab'.repeat(32),
  gitSha1: null,
  ranges: [[0, 512]],
};
/** As printed, with other content and a checksum that fits it: what a different writer could have left. */
const printed = printJournal(journal);

describe('the text of a journal', () => {
  test('is read back as it was', () => {
    const ranges = fc
      .uniqueArray(fc.nat(1_000_000), { maxLength: 20 })
      .map((offsets) => offsets.sort((a, b) => a - b))
      .map((offsets) => offsets.slice(0, offsets.length & ~1))
      .map((offsets) =>
        offsets.flatMap((start, i): [number, number][] => (i % 2 ? [] : [[start, offsets[i + 1] ?? 0]])),
      );
    const text = fc.option(fc.string(), { nil: null });
    const size = fc.constantFrom(null, 1_000_000, Number.MAX_SAFE_INTEGER);
    const any = fc.record({ boot: text, url: fc.webUrl(), validator: text, size, sha256: text, gitSha1: text, ranges });
    fc.assert(
      fc.property(any, (one) => {
        expect(parseJournal(printJournal(one))).toEqual(one);
      }),
    );
  });

  test('counts as damaged with any one byte changed', () => {
    const change = fc.tuple(fc.nat(printed.length - 1), fc.integer({ min: 0, max: 127 }));
    fc.assert(
      fc.property(change, ([at, code]) => {
        const damaged = printed.slice(0, at) + String.fromCharCode(code) + printed.slice(at + 1);
        fc.pre(damaged !== printed);
        expect(parseJournal(damaged)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  test('counts as damaged when cut anywhere, or with anything after it', () => {
    for (let length = 0; length < printed.length; length += 1)
      expect(parseJournal(printed.slice(0, length))).toBeNull();
    expect(parseJournal(`${printed}\n`)).toBeNull();
  });

  test.each([
    [
      'an overlap',
      [
        [0, 10],
        [5, 20],
      ],
    ],
    [
      'ranges that touch',
      [
        [0, 10],
        [10, 20],
      ],
    ],
    ['an empty range', [[5, 5]]],
    ['a range beyond the size', [[0, 1_001]]],
    ['a negative offset', [[-1, 5]]],
    ['a fraction', [[0, 1.5]]],
    ['a triple', [[0, 1, 2]]],
    ['no list', 'all'],
  ])('is refused with %s, even if its checksum matches', (_what, ranges) => {
    const bad = { ...journal, ranges } as unknown as Journal;
    expect(parseJournal(printJournal(bad))).toBeNull();
  });

  test('is refused in a newer format', () => {
    expect(parseJournal(printed.replace('"version":2', '"version":3'))).toBeNull();
  });
});

test('the URL in a journal has no user, query or fragment', () => {
  expect(publicUrlOf('https://user:pass@cdn.example:8443/a/b.bin?X-Signature=secret#part')).toBe(
    'https://cdn.example:8443/a/b.bin',
  );
});

describe('the file of a journal', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await createFixture(10);
  });
  afterEach(() => fixture.close());

  test('is replaced atomically, and nothing temporary is left', async () => {
    await saveJournal(fixture.partialPath, { ...journal, ranges: [] });
    await saveJournal(fixture.partialPath, journal);
    expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'read', journal });
    expect(await readdir(fixture.folder)).toEqual(['blob.rbee-journal']);
  });

  test('may be missing or damaged', async () => {
    expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'missing' });
    await writeFile(journalPathOf(fixture.partialPath), printed.slice(1));
    expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'damaged' });
  });

  describe('that claims bytes that are written but not synced', () => {
    const live: Journal = { ...journal, boot: 'boot-1', ranges: [[0, 900]] };

    test('counts under the same boot id if it claims more', async () => {
      await saveJournal(fixture.partialPath, journal);
      await saveJournal(fixture.partialPath, live);
      expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'read', journal: live });
      await saveJournal(fixture.partialPath, { ...live, ranges: [[0, 100]] });
      expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'read', journal });
    });

    test.each(['boot-2', null])('counts for nothing under the boot id %s', async (boot) => {
      await saveJournal(fixture.partialPath, live);
      expect(await loadJournal(fixture.partialPath, boot)).toEqual({ state: 'outlived' });
      await saveJournal(fixture.partialPath, journal);
      expect(await loadJournal(fixture.partialPath, boot)).toEqual({ state: 'read', journal });
    });

    test('is no loss if damaged, since the synced one is still valid', async () => {
      await saveJournal(fixture.partialPath, journal);
      await writeFile(liveJournalPathOf(fixture.partialPath), 'torn');
      expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'read', journal });
      await removeJournal(fixture.partialPath);
      await writeFile(liveJournalPathOf(fixture.partialPath), 'torn');
      expect(await loadJournal(fixture.partialPath, 'boot-1')).toEqual({ state: 'damaged' });
    });
  });

  test('that cannot be read is an error, not a missing journal', async () => {
    await mkdir(join(fixture.folder, 'blob.rbee-journal'));
    await expect(loadJournal(fixture.partialPath, 'boot-1')).rejects.toMatchObject({ code: 'EISDIR' });
  });
});
