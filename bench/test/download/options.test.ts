import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseDownloadOptions } from '../../src/download/options.ts';

describe('parseDownloadOptions', () => {
  test('measures all scenarios with 2 GiB in five rounds when nothing is said', () => {
    expect(parseDownloadOptions([])).toMatchObject({
      scenarios: ['plain', 'tls', 'per-connection', 'rtt'],
      peers: null,
      sizeBytes: 2 * 1024 ** 3,
      rounds: 5,
      connections: 16,
      fullMemory: false,
      jsonFile: null,
      isSaved: false,
      isGate: false,
    });
  });

  test('takes what is named', () => {
    const args = ['--only', 'rtt,plain', '--peers', 'curl, aria2c', '--size', '256MiB', '--rounds', '3', '--gate'];
    expect(parseDownloadOptions(args)).toMatchObject({
      scenarios: ['rtt', 'plain'],
      peers: ['curl', 'aria2c'],
      sizeBytes: 256 * 1024 ** 2,
      rounds: 3,
      isGate: true,
    });
    expect(parseDownloadOptions(['--peers', 'none', '--size', '1.5GB'])).toMatchObject({ peers: [], sizeBytes: 1.5e9 });
  });

  test.each([
    ['--only', 'fast'],
    ['--peers', 'rbee'],
    ['--peers', ''],
    ['--size', '0MiB'],
    ['--size', '12'],
    ['--size', 'MiB'],
    ['--rounds', '0'],
    ['--rounds', '2.5'],
    ['--connections', '65'],
    ['--unknown'],
  ])('refuses %s %s', (...args) => {
    expect(() => parseDownloadOptions(args)).toThrow(UsageError);
  });
});
