import { describe, expect, test } from 'vitest';
import { failuresOfDownloads, judge, reportOfDownloads, verdictsOf } from '../../src/download/report.ts';
import type { Sample, ScenarioResult } from '../../src/download/results.ts';

const sample = (mbPerSecond: number, change: Partial<Sample> = {}): Sample => ({
  seconds: 1_000 / mbPerSecond,
  mbPerSecond,
  cpuSecondsPerGib: 2,
  originCpuSecondsPerGib: 0.1,
  peakMb: 100,
  ...change,
});
const samples = (...speeds: number[]): Sample[] => speeds.map((speed) => sample(speed));
const perConnection = (speed: number, change: Partial<ScenarioResult> = {}): ScenarioResult => ({
  scenario: 'per-connection',
  samples: { rbee: samples(speed), aria2c: samples(200) },
  skips: [],
  ...change,
});

describe('judge', () => {
  test('takes ratios within each round', () => {
    const target = { kind: 'ratio', over: 'aria2c', atLeast: 2 } as const;
    const rbee = samples(300, 100, 200);
    expect(judge(target, { rbee, aria2c: samples(150, 50, 100) })).toMatchObject({ value: 2, isMet: true });
    expect(judge(target, { rbee, aria2c: samples(160, 60, 90) })).toMatchObject({ value: 1.875, isMet: false });
  });

  test('compares with what the server lets through', () => {
    const target = { kind: 'line', bytesPerSecond: 300e6, atLeast: 0.9 } as const;
    expect(judge(target, { rbee: samples(270) })).toMatchObject({ value: 0.9, isMet: true });
    expect(judge(target, { rbee: samples(269) }).isMet).toBe(false);
  });

  test('wants CPU and memory below their limits', () => {
    const rbee = [sample(1, { cpuSecondsPerGib: 3.6, peakMb: 200 })];
    expect(judge({ kind: 'cpu', atMostSecondsPerGib: 3.5 }, { rbee }).isMet).toBe(false);
    expect(judge({ kind: 'memory', atMostMb: 200 }, { rbee }).isMet).toBe(true);
  });

  test('leaves open what was not measured', () => {
    const notMeasured = { value: null, isMet: null };
    expect(judge({ kind: 'ratio', over: 'ipull', atLeast: 4 }, { rbee: samples(1) })).toMatchObject(notMeasured);
    expect(judge({ kind: 'cpu', atMostSecondsPerGib: 3.5 }, {})).toMatchObject(notMeasured);
    const rbee = [sample(1, { peakMb: null })];
    expect(judge({ kind: 'memory', atMostMb: 200 }, { rbee })).toMatchObject(notMeasured);
  });
});

describe('gate', () => {
  test('passes when all targets are met, and names those that are missed', () => {
    expect(failuresOfDownloads([perConnection(310)])).toEqual([]);
    expect(failuresOfDownloads([perConnection(310), perConnection(100)])).toEqual([
      'per-connection: share of a line of 336 MB/s: at least 0.9, measured 0.30',
    ]);
  });

  test('ignores a peer that was not asked for', () => {
    const rbee = samples(100);
    expect(failuresOfDownloads([{ scenario: 'rtt', samples: { rbee }, skips: [] }])).toEqual([]);
  });

  test('fails when a program is missing', () => {
    const skips = [{ client: null, reason: 'not installed: nginx' }];
    expect(failuresOfDownloads([perConnection(310, { samples: {}, skips })])).toEqual([
      'per-connection: all clients: not installed: nginx',
    ]);
  });
});

describe('report', () => {
  const results: ScenarioResult[] = [
    perConnection(310, { skips: [{ client: 'ipull', reason: 'not installed: ipull' }] }),
    { scenario: 'tls', samples: {}, skips: [{ client: null, reason: 'not installed: openssl' }] },
  ];
  const text = reportOfDownloads(results, { size: 2 * 1024 ** 3, rounds: 3, connections: 16 }).join('\n\n');

  test('says what was run', () => {
    expect(text).toContain('2 GiB, medians of 3 alternating rounds after a discarded one, up to 16 connections.');
  });

  test('has a row for each client and one for each target', () => {
    const cells = text
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells).toContainEqual(['', 'rbee', '310', '', '2.00', '0.10', '100', '']);
    expect(cells).toContainEqual(['', 'aria2c -x16 -s16 --checksum', '200', '1.55', '2.00', '0.10', '100', '']);
    expect(cells).toContainEqual(['', 'share of a line of 336 MB/s: at least 0.9', '0.92', 'met', '']);
    expect(verdictsOf(perConnection(310)).map(({ isMet }) => isMet)).toEqual([true, true]);
  });

  test('says what was skipped, and prints no empty table', () => {
    const [, tls] = text.split('(`tls`)');
    expect(text).toContain('- ipull was skipped: not installed: ipull');
    expect(tls).toContain('- tls was skipped: not installed: openssl');
    expect(tls).not.toContain('|');
  });
});
