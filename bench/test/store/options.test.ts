import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseStoreOptions } from '../../src/store/options.ts';

describe('parseStoreOptions', () => {
  test('measures 10,000 files and 1,000 models in nine rounds when nothing is said', () => {
    expect(parseStoreOptions([])).toMatchObject({ files: 10_000, models: 1_000, rounds: 9, jsonFile: null });
  });

  test('takes what is named', () => {
    const args = ['--files', '5', '--models', '6', '--rounds', '7', '--save', '--gate', '--json', '/x/y.json'];
    const expected = { files: 5, models: 6, rounds: 7, isSaved: true, isGate: true, jsonFile: '/x/y.json' };
    expect(parseStoreOptions(args)).toMatchObject(expected);
  });

  test.each([['--files', '0'], ['--models', '1.5'], ['--rounds', 'all'], ['--unknown'], ['stray']])(
    'refuses %s %s',
    (...args) => {
      expect(() => parseStoreOptions(args.filter((arg) => arg !== undefined))).toThrow(UsageError);
    },
  );
});
