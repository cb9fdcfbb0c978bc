import { describe, expect, test } from 'vitest';
import { cliReport, cliRows } from '../../src/cli/report.ts';

const samples = [
  { name: 'bare', maxRatio: null, runMs: [10, 20, 10] },
  { name: 'quick', maxRatio: 1.5, runMs: [14, 28, 14] },
  { name: 'slow', maxRatio: 2.5, runMs: [20, 60, 30] },
];

describe('the report of the command line', () => {
  test('compares within each round, so that a slow minute meets all sides', () => {
    expect(cliRows(samples).map(({ ratio, isMet }) => ({ ratio, isMet }))).toEqual([
      { ratio: 1, isMet: true },
      { ratio: 1.4, isMet: true },
      { ratio: 3, isMet: false },
    ]);
  });

  test('says of each target whether it is met', () => {
    const lines = cliReport(cliRows(samples)).split('\n');
    expect(lines[2]).toMatch(/^\| bare +\| +10\.0 ms \| +1\.00 \| +\| +\|$/);
    expect(lines[3]).toMatch(/^\| quick +\| +14\.0 ms \| +1\.40 \| +≤ 1\.5 \| met +\|$/);
    expect(lines[4]).toMatch(/^\| slow +\| +30\.0 ms \| +3\.00 \| +≤ 2\.5 \| missed +\|$/);
  });
});
