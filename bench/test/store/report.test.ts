import { describe, expect, test } from 'vitest';
import { storeFailures, storeReport } from '../../src/store/report.ts';
import type { StoreScenarioResult } from '../../src/store/scenarios.ts';

const environment = { cpu: 'a cpu', cores: 2, kernel: 'Linux 6', versions: { node: '24.0.0' } };
const fast: StoreScenarioResult = {
  scenario: 'list',
  things: 1_000,
  samples: [300, 100, 1_500].map((ms) => ({ ms, stallMs: ms / 10 })),
  firstPeakMb: 90.4,
  lastPeakMb: null,
};
const slow: StoreScenarioResult = { ...fast, scenario: 'plan', samples: [{ ms: 1_000, stallMs: 1 }] };

describe('the report of the store', () => {
  test('has a row for each scenario, with medians, extremes and the verdict', () => {
    const text = storeReport({ startedAt: 'now', environment, rounds: 3, scenarios: [fast, slow] });
    const rows = text.split('\n').filter((line) => line.startsWith('| '));
    const cells = rows.map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(2, -1),
    );
    expect(cells.at(-2)).toEqual(['1000', '300', '1500', '150', '90', '-', 'met']);
    expect(cells.at(-1)).toEqual(['1000', '1000', '1000', '1', '90', '-', 'MISSED']);
  });

  test('fails the gate where a median is not below the target', () => {
    expect(storeFailures([fast, slow])).toEqual(['plan: 1000 ms, the target is below 1000']);
  });
});
