import { describe, expect, test } from 'vitest';
import { cliReport } from '../src/cli/bench.ts';
import { filesReport } from '../src/files/bench.ts';
import { type LoadResult, loadReport } from '../src/load/bench.ts';
import { relayReport } from '../src/relay/bench.ts';
import { type StoreResult, storeReport } from '../src/store/bench.ts';

/** The cells of all table rows, heads included. */
const rowsOf = ({ sections }: { sections: string[] }): string[][] =>
  sections
    .join('\n')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

describe('the report of a model of many files', () => {
  /** The second round ran at half the speed for everyone. */
  const samples = {
    rbee: [1_000, 2_000, 1_000],
    snapshot: [900, 1_800, 950],
    'eight-at-once': [1_000, 2_000, 1_000],
    'one-by-one': [3_000, 6_000, 2_000],
  };

  test('has medians, and ratios within each round', () => {
    const rows = rowsOf(filesReport(samples, 3));
    expect(rows).toContainEqual(['rbee', '1.00', '79', '']);
    expect(rows).toContainEqual(['rbee with one connection', '3.00', '26', '3.00']);
    expect(rows.slice(-3).map((row) => row.at(-1))).toEqual(['MISSED', 'met', 'met']);
  });

  test('fails the gate when a target is missed', () => {
    const { failures } = filesReport(samples, 3);
    expect(failures).toEqual(['files: speed over snapshotDownload: at least 1, measured 0.90']);
    expect(filesReport({ ...samples, snapshot: samples.rbee }, 3).failures).toEqual([]);
  });
});

test('the report of the keeper compares within each round', () => {
  const samples = [
    { name: 'bare', maxRatio: null, runMs: [10, 20, 10] },
    { name: 'quick', maxRatio: 1.5, runMs: [14, 28, 14] },
    { name: 'slow', maxRatio: 2.5, runMs: [20, 60, 30] },
  ];
  const report = cliReport(samples, 3);
  const rows = rowsOf(report);
  expect(rows.slice(1, 4)).toEqual([
    ['bare', '10.0', '1.00'],
    ['quick', '14.0', '1.40'],
    ['slow', '30.0', '3.00'],
  ]);
  expect(rows.slice(-2).map((row) => row.at(-1))).toEqual(['met', 'MISSED']);
  expect(report.failures).toEqual(['cli: slow, times bare Node.js: at most 2.5, measured 3.00']);
});

test('the report of the store has medians, extremes and peaks', () => {
  const fast: StoreResult = {
    scenario: 'list',
    items: 1_000,
    samples: [300, 100, 1_500].map((ms) => ({ ms, stallMs: ms / 10 })),
    firstPeakMb: 90.4,
    lastPeakMb: null,
  };
  const slow: StoreResult = { ...fast, scenario: 'plan', samples: [{ ms: 1_001, stallMs: 1 }] };
  const report = storeReport([fast, slow], 3);
  const rows = rowsOf(report);
  expect(rows[1]?.slice(1)).toEqual(['1000', '300', '1500', '150', '90', '-']);
  expect(report.failures).toEqual(['store: plan, median ms: at most 1000, measured 1001.00']);
});

describe('the report of a fleet under load', () => {
  const options = { clients: 200, seconds: 10, downloads: 20 };
  const good: LoadResult = {
    responses: [
      { status: 202, code: null, count: 200 },
      { status: 429, code: 'RATE_LIMITED', count: 5_000 },
    ],
    broken: 0,
    downloads: { downloading: 19, complete: 1 },
    daemons: [{ name: 'queen', peakMb: null, medianMs: 1, p99Ms: 9.04, longestMs: 20 }],
  };

  test('has a row for each kind of response and each daemon', () => {
    const report = loadReport(good, options);
    expect(rowsOf(report)).toContainEqual(['429', 'RATE_LIMITED', '5000']);
    expect(rowsOf(report)).toContainEqual(['queen', '-', '1.0', '9.0', '20.0']);
    expect(report.sections.join()).toContain('The downloads afterwards: 19 downloading, 1 complete.');
    expect(report.failures).toEqual([]);
  });

  test.each([
    [{ responses: [{ status: 500, code: 'none', count: 3 }] }, 'load: 3 responses with status 500 and code none'],
    [{ responses: [{ status: 200, code: null, count: 1 }] }, 'load: 1 responses with status 200 and code null'],
    [
      { responses: [{ status: 429, code: 'INTERNAL', count: 1 }] },
      'load: 1 responses with status 429 and code INTERNAL',
    ],
    [{ broken: 2 }, 'load: 2 requests broke'],
    [{ downloads: { failed: 4 } }, 'load: 4 of the downloads failed'],
  ] as const)('objects to %j', (change, failure) => {
    expect(loadReport({ ...good, ...change }, options).failures).toEqual([failure]);
  });
});

test('the report of the relay compares deliveries within each round', () => {
  const sample = (deliveriesPerCpuSecond: number) => ({ deliveriesPerCpuSecond, medianMs: 7, p99Ms: 9.04 });
  const samples = { rbee: [260, 120, 250].map(sample), 'node-http': [200, 100, 200].map(sample) };
  const report = relayReport(samples, 1_000, 3);
  expect(rowsOf(report)[1]).toEqual(['rbee', '250', '7.0', '9.0']);
  expect(report.failures).toEqual([
    'relay: deliveries per CPU second compared with node:http: at least 1.3, measured 1.25',
  ]);
});
