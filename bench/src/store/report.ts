import type { Environment } from '../environment.ts';
import { median } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { type StoreScenarioResult, storeScenarios, targetMs } from './scenarios.ts';

export interface StoreResult {
  readonly startedAt: string;
  readonly environment: Environment;
  readonly rounds: number;
  readonly scenarios: readonly StoreScenarioResult[];
}

const columns: readonly Column[] = [
  { title: 'what', align: 'left' },
  { title: 'things', align: 'right' },
  { title: 'median ms', align: 'right' },
  { title: 'slowest ms', align: 'right' },
  { title: 'longest stall ms', align: 'right' },
  { title: 'peak MB, first round', align: 'right' },
  { title: 'peak MB, last round', align: 'right' },
  { title: `below ${targetMs} ms`, align: 'left' },
];

/** The result as Markdown. */
export function storeReport({ environment, rounds, scenarios }: StoreResult): string {
  return [
    `Medians of ${rounds} rounds after a discarded one.`,
    `${environment.cores} x ${environment.cpu}, ${environment.kernel}. node ${environment.versions['node']}.`,
    markdownTable(columns, scenarios.map(row)),
  ].join('\n\n');
}

/** What speaks against the result, a line each; none is a pass. */
export function storeFailures(scenarios: readonly StoreScenarioResult[]): string[] {
  return scenarios
    .filter((result) => !isMet(result))
    .map((result) => `${result.scenario}: ${medianMs(result).toFixed(0)} ms, the target is below ${targetMs}`);
}

function row(result: StoreScenarioResult): string[] {
  const { scenario, things, samples, firstPeakMb, lastPeakMb } = result;
  const format = (value: number | null) => (value === null ? '-' : value.toFixed(0));
  return [
    storeScenarios.find(({ name }) => name === scenario)?.title ?? scenario,
    String(things),
    format(medianMs(result)),
    format(Math.max(...samples.map(({ ms }) => ms))),
    format(Math.max(...samples.map(({ stallMs }) => stallMs))),
    format(firstPeakMb),
    format(lastPeakMb),
    isMet(result) ? 'met' : 'MISSED',
  ];
}

function isMet(result: StoreScenarioResult): boolean {
  return medianMs(result) < targetMs;
}

function medianMs({ samples }: StoreScenarioResult): number {
  return median(samples.map(({ ms }) => ms));
}
