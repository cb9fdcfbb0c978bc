import { describe, expect, test } from 'vitest';
import { gateFailures } from '../../src/download/gate.ts';
import { judge } from '../../src/download/judge.ts';
import { report, verdictsOf } from '../../src/download/report.ts';
import type { DownloadResult, Sample, ScenarioResult } from '../../src/download/results.ts';

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
  test('a ratio is that of the rounds, against the limit', () => {
    const target = { kind: 'ratio', over: 'aria2c', atLeast: 2 } as const;
    const rbee = samples(300, 100, 200);
    expect(judge(target, { rbee, aria2c: samples(150, 50, 100) })).toMatchObject({ value: 2, isMet: true });
    expect(judge(target, { rbee, aria2c: samples(160, 60, 90) })).toMatchObject({ value: 1.875, isMet: false });
  });

  test('a line is what the server lets through at most', () => {
    const target = { kind: 'line', bytesPerSecond: 300e6, atLeast: 0.9 } as const;
    expect(judge(target, { rbee: samples(270) })).toMatchObject({ value: 0.9, isMet: true });
    expect(judge(target, { rbee: samples(269) }).isMet).toBe(false);
  });

  test('CPU and memory must stay below their limits', () => {
    const rbee = [sample(1, { cpuSecondsPerGib: 3.6, peakMb: 200 })];
    expect(judge({ kind: 'cpu', atMostSecondsPerGib: 3.5 }, { rbee }).isMet).toBe(false);
    expect(judge({ kind: 'memory', atMostMb: 200 }, { rbee }).isMet).toBe(true);
  });

  test('what was not measured is neither met nor missed', () => {
    const nobody = { value: null, isMet: null };
    expect(judge({ kind: 'ratio', over: 'ipull', atLeast: 4 }, { rbee: samples(1) })).toMatchObject(nobody);
    expect(judge({ kind: 'cpu', atMostSecondsPerGib: 3.5 }, {})).toMatchObject(nobody);
    const rbee = [sample(1, { peakMb: null })];
    expect(judge({ kind: 'memory', atMostMb: 200 }, { rbee })).toMatchObject(nobody);
  });
});

describe('gate', () => {
  test('passes what meets its targets and names what does not', () => {
    expect(gateFailures([perConnection(310)])).toEqual([]);
    expect(gateFailures([perConnection(310), perConnection(100)])).toEqual([
      'per-connection: share of a line of 336 MB/s: at least 0.9, measured 0.30',
    ]);
  });

  test('does not count a peer that nobody asked for', () => {
    const rbee = samples(100);
    expect(gateFailures([{ scenario: 'rtt', samples: { rbee }, skips: [] }])).toEqual([]);
  });

  test('does not pass what could not be run', () => {
    const skips = [{ client: null, reason: 'not installed: nginx' }];
    expect(gateFailures([perConnection(310, { samples: {}, skips })])).toEqual([
      'per-connection: all clients: not installed: nginx',
    ]);
  });
});

describe('report', () => {
  const result: DownloadResult = {
    startedAt: '2026-01-01T00:00:00.000Z',
    environment: { cpu: 'a CPU', cores: 2, kernel: 'Linux 6.1', versions: { node: '24.0.0', nginx: '1.2' } },
    sizeBytes: 2 * 1024 ** 3,
    rounds: 3,
    connections: 16,
    scenarios: [
      perConnection(310, { skips: [{ client: 'ipull', reason: 'not installed: ipull' }] }),
      { scenario: 'tls', samples: {}, skips: [{ client: null, reason: 'not installed: openssl' }] },
    ],
  };

  test('says what was run where', () => {
    const text = report(result);
    expect(text).toContain('2 GiB, medians of 3 alternating rounds');
    expect(text).toContain('2 x a CPU, Linux 6.1. node 24.0.0, nginx 1.2.');
  });

  test('has a row for each client and one for each target', () => {
    const cells = report(result)
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells).toContainEqual(['', 'rbee', '310', '', '2.00', '0.10', '100', '']);
    expect(cells).toContainEqual(['', 'aria2c -x16 -s16 --checksum', '200', '1.55', '2.00', '0.10', '100', '']);
    expect(cells).toContainEqual(['', 'share of a line of 336 MB/s: at least 0.9', '0.92', 'met', '']);
    expect(verdictsOf(perConnection(310)).map(({ isMet }) => isMet)).toEqual([true, true]);
  });

  test('says what is left out, and prints no table of nothing', () => {
    const [, tls] = report(result).split('(`tls`)');
    expect(report(result)).toContain('- ipull is left out: not installed: ipull');
    expect(tls).toContain('- tls is left out: not installed: openssl');
    expect(tls).not.toContain('|');
  });
});
