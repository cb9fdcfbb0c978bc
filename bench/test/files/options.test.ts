import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseFilesOptions } from '../../src/files/options.ts';

describe('parseFilesOptions', () => {
  test('measures five rounds when nothing is said', () => {
    expect(parseFilesOptions([])).toMatchObject({ rounds: 5, jsonFile: null, isSaved: false, isGate: false });
  });

  test('takes what is said', () => {
    const args = ['--rounds', '2', '--folder', '/x', '--save', '--gate', '--json', '/x/y.json'];
    const expected = { rounds: 2, folder: '/x', isSaved: true, isGate: true, jsonFile: '/x/y.json' };
    expect(parseFilesOptions(args)).toEqual(expected);
  });

  test.each([[['--rounds', '0']], [['--rounds', '1001']], [['--peers', 'none']], [['stray']]])(
    'refuses %j and shows the usage',
    (args) => {
      expect(() => parseFilesOptions(args)).toThrow(UsageError);
      expect(() => parseFilesOptions(args)).toThrow(/usage: npm run bench -- files/);
    },
  );
});
