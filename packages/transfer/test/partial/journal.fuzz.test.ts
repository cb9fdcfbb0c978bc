import { hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJournal, printJournal, publicUrlOf } from '../../src/partial/journal.ts';

describe('a journal', () => {
  const journal = printJournal({
    boot: null,
    url: 'https://h/f',
    validator: '"v"',
    size: 100,
    sha256: null,
    gitSha1: null,
    ranges: [
      [0, 10],
      [20, 30],
    ],
  });

  it('of any text is damaged, or prints the same', () => {
    const words = hostileText([
      '{',
      '}',
      '"version":',
      '2',
      '"ranges":[[0,10]]',
      ',',
      '"check":"0000000000000000"',
      '"url":"https://h/f"',
      'null',
      '[',
      ']',
      '1e999',
      journal,
    ]);
    const changed = fc
      .tuple(fc.nat(journal.length), fc.nat(journal.length), fc.string({ maxLength: 4 }))
      .map(([from, length, text]) => journal.slice(0, from) + text + journal.slice(from + length));
    fc.assert(
      fc.property(fc.oneof(words, changed, fc.json()), (text) => {
        const read = parseJournal(text);
        if (read === null) return;
        expect(parseJournal(printJournal(read))).toEqual(read);
        let last = -1;
        for (const [start, end] of read.ranges) {
          expect(start).toBeGreaterThan(last);
          expect(end).toBeGreaterThan(start);
          last = end;
        }
      }),
    );
  });

  it('holds no user, query or fragment of its URL', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const { search, hash, username } = new URL(publicUrlOf(url));
        expect([search, hash, username]).toEqual(['', '', '']);
      }),
    );
  });
});
