import { describe, expect, test } from 'vitest';
import { gateFailures, report, verdictsOf } from '../../src/relay/report.ts';
import type { Sample, ScenarioResult } from '../../src/relay/results.ts';

const each = (...deliveriesPerCpuSecond: number[]): Sample[] =>
  deliveriesPerCpuSecond.map((value) => ({ deliveriesPerCpuSecond: value, p50Ms: 1, p99Ms: 2 }));
const burst = (change: Partial<ScenarioResult> = {}): ScenarioResult => ({
  scenario: 'burst',
  readers: 1_000,
  samples: {
    rbee: each(140, 280, 150).map((sample) => ({ ...sample, closeMs: 50 })),
    'node-http': each(100, 200, 120),
  },
  skips: [],
  ...change,
});

describe('verdicts', () => {
  test('a ratio is that of the rounds; what nobody asked for is not measured', () => {
    expect(verdictsOf(burst()).map(({ value, isMet }) => [value, isMet])).toEqual([
      [1.4, true],
      [null, null],
      [50, true],
    ]);
  });

  test('exactly is at least and at most', () => {
    const chain = (upstreams: number): ScenarioResult =>
      burst({ scenario: 'chain', samples: { rbee: [{ p99Ms: 5, upstreams }] } });
    expect(gateFailures([chain(60)])).toEqual([]);
    expect(gateFailures([chain(61)])).toEqual(['chain: connections to the hive: at most 60, measured 61.00']);
    expect(gateFailures([chain(59)])).toEqual(['chain: connections to the hive: at least 60, measured 59.00']);
  });

  test('a gate does not pass what was missed or could not be run', () => {
    const skips = [{ contender: 'nchan', reason: 'not installed' }] as const;
    const samples = { rbee: each(100), 'node-http': each(100) };
    expect(gateFailures([burst({ skips, samples })])).toEqual([
      'burst: nchan: not installed',
      'burst: deliveries per CPU s over that of node-http: at least 1.3, measured 1.00',
    ]);
  });
});

describe('report', () => {
  const environment = { cpu: 'a CPU', cores: 2, kernel: 'Linux 6.1', versions: { node: '24.0.0' } };
  const text = (result: ScenarioResult): string =>
    report({ startedAt: '2026-01-01T00:00:00.000Z', environment, rounds: 3, scenarios: [result] });

  test('has a row for each server, with what rbee delivers more', () => {
    const cells = text(burst())
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells).toContainEqual(['', 'rbee', '150', '1.0', '2.0', '-', '50', '', '']);
    expect(cells).toContainEqual(['', 'node:http, one Buffer for all', '120', '1.0', '2.0', '-', '-', '1.40', '']);
  });

  test('says what is left out, and when the targets do not fit', () => {
    const skips = [{ contender: 'nchan', reason: 'not installed' }] as const;
    expect(text(burst({ skips }))).toContain('- nchan is left out: not installed');
    expect(text(burst())).not.toContain('not meant for');
    expect(text(burst({ readers: 10 }))).toContain('With 10 readers of each stream');
  });
});
