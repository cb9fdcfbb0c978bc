import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/arguments.ts';
import { parseLoadOptions } from '../../src/load/options.ts';
import { loadFailures, loadReport } from '../../src/load/report.ts';
import type { LoadResult } from '../../src/load/results.ts';

const result: LoadResult = {
  startedAt: 'now',
  environment: { cpu: 'a cpu', cores: 2, kernel: 'Linux 6', versions: { node: '24.0.0' } },
  ...{ clients: 200, seconds: 10, downloads: 20, broken: 0, limitedSpeed: 1_010_000 },
  answers: [
    { status: 202, code: null, count: 200 },
    { status: 429, code: 'RATE_LIMITED', count: 5_000 },
  ],
  downloadsAfter: { downloading: 20 },
  daemons: [{ name: 'queen', peakMb: null, medianMs: 1, p99Ms: 9.04, longestMs: 20 }],
};

describe('parseLoadOptions', () => {
  test('has 200 clients and 20 downloads for ten seconds when nothing is said', () => {
    expect(parseLoadOptions([])).toMatchObject({ clients: 200, downloads: 20, seconds: 10, isGate: false });
  });

  test.each([['--clients', '0'], ['--seconds', '1.5'], ['--downloads', 'all'], ['stray']])(
    'refuses %s %s',
    (...args) => {
      expect(() => parseLoadOptions(args.filter((arg) => arg !== undefined))).toThrow(UsageError);
    },
  );
});

describe('the report of a load', () => {
  test('has what was answered and how each daemon bore it', () => {
    const text = loadReport(result);
    expect(text).toMatch(/\| +429 \| RATE_LIMITED +\| +5000 \|/);
    expect(text).toMatch(/\| queen +\| +- \| +1\.0 \| +9\.0 \| +20\.0 \|/);
    expect(text).toMatch(/20 downloading\. The limited hive took 1\.01 MB\/s/);
  });

  test('passes with answers of the contract alone, on connections that hold, and downloads that go on', () => {
    expect(loadFailures(result)).toEqual([]);
    const answers = [
      { status: 500, code: 'none', count: 1 },
      { status: 503, code: 'RATE_LIMITED', count: 2 },
      { status: 200, code: null, count: 3 },
    ];
    const bad = { ...result, answers, broken: 4, downloadsAfter: { downloading: 19, failed: 1 } };
    expect(loadFailures(bad)).toHaveLength(5);
  });
});
