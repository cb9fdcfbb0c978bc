import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseCliOptions } from '../../src/cli/options.ts';

describe('parseCliOptions', () => {
  test('takes thirty rounds without a gate when nothing is said', () => {
    expect(parseCliOptions([])).toEqual({ rounds: 30, isGate: false });
  });

  test('takes what is said', () => {
    expect(parseCliOptions(['--rounds', '5', '--gate'])).toEqual({ rounds: 5, isGate: true });
  });

  test.each([[['--rounds', '0']], [['--rounds', 'many']], [['--rounds', '1001']], [['--fast']], [['now']]])(
    'refuses %j and shows the usage',
    (args) => {
      expect(() => parseCliOptions(args)).toThrow(UsageError);
      expect(() => parseCliOptions(args)).toThrow(/usage: npm run bench -- cli/);
    },
  );
});
