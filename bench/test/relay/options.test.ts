import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseRelayOptions } from '../../src/relay/options.ts';

describe('parseRelayOptions', () => {
  test('measures all scenarios as they are meant when nothing is said', () => {
    expect(parseRelayOptions([])).toEqual({
      scenarios: ['burst', 'crowd', 'chain'],
      peers: null,
      readers: null,
      rounds: 7,
      jsonFile: null,
      isSaved: false,
      isGate: false,
    });
  });

  test('takes what is named', () => {
    const args = ['--only', 'chain,burst', '--peers', 'nchan', '--readers', '50', '--rounds', '1', '--gate', '--save'];
    expect(parseRelayOptions(args)).toMatchObject({
      scenarios: ['chain', 'burst'],
      peers: ['nchan'],
      readers: 50,
      rounds: 1,
      isGate: true,
      isSaved: true,
    });
    expect(parseRelayOptions(['--peers', 'none']).peers).toEqual([]);
  });

  test.each([
    ['--only', 'plain'],
    ['--peers', 'rbee'],
    ['--readers', '0'],
    ['--rounds', 'many'],
    ['--size', '1GiB'],
  ])('refuses %s %s', (...args) => {
    expect(() => parseRelayOptions(args)).toThrow(UsageError);
  });
});
