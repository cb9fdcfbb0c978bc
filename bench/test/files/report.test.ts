import { describe, expect, test } from 'vitest';
import { filesFailures, filesReport } from '../../src/files/report.ts';
import type { Samples } from '../../src/files/results.ts';

const environment = { cpu: 'a cpu', cores: 2, kernel: 'Linux 6', versions: { node: '24.0.0' } };
/** The second round was at half the speed for all. */
const samples: Samples = {
  rbee: [1_000, 2_000, 1_000],
  snapshot: [900, 1_800, 950],
  'eight-at-once': [1_000, 2_000, 1_000],
  'one-by-one': [3_000, 6_000, 2_000],
};
const result = { startedAt: 'now', environment, rounds: 3, files: 61, bytes: 76 * 1024 ** 2, samples };

const rowsOf = (text: string): string[][] =>
  text.split('\n').flatMap((line) =>
    line.startsWith('| ')
      ? [
          line
            .split('|')
            .slice(1, -1)
            .map((cell) => cell.trim()),
        ]
      : [],
  );

describe('the report of a model of many files', () => {
  test('has medians, and ratios within each round', () => {
    const text = filesReport(result);
    expect(text).toContain('61 files, 76 MiB, medians of 3 alternating rounds');
    const rows = rowsOf(text);
    expect(rows[2]).toEqual(['rbee', '1.00', '80', '']);
    expect(rows[3]?.slice(1)).toEqual(['0.95', '84', '0.90']);
    expect(rows[5]).toEqual(['rbee with one connection', '3.00', '27', '3.00']);
    expect(rows.slice(-3).map((row) => row.at(-1))).toEqual(['MISSED', 'met', 'met']);
  });

  test('fails the gate where a target is missed', () => {
    expect(filesFailures(samples)).toEqual(['files: speed over snapshotDownload: at least 1, measured 0.90']);
    expect(filesFailures({ ...samples, snapshot: samples.rbee })).toEqual([]);
  });
});
