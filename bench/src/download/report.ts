import { describeMachine } from '../environment.ts';
import { median, medianOrNull, medianRatio } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { type Verdict, verdictTable } from '../verdict.ts';
import { clientNames, clients } from './clients.ts';
import { judge } from './judge.ts';
import { bytesPerGib, type DownloadResult, type Sample, type ScenarioResult } from './results.ts';
import { type Scenario, scenarios } from './scenarios.ts';

const columns: readonly Column[] = [
  { title: 'client', align: 'left' },
  { title: 'MB/s', align: 'right' },
  { title: 'rbee is x times as fast', align: 'right' },
  { title: 'CPU s per GiB', align: 'right' },
  { title: 'origin CPU s per GiB', align: 'right' },
  { title: 'peak MB', align: 'right' },
];
/** The result as Markdown: what was run where, then two tables for each scenario. */
export function report(result: DownloadResult): string {
  const { environment, rounds, sizeBytes, connections } = result;
  return [
    `${formatGib(sizeBytes)}, medians of ${rounds} alternating rounds after a discarded one, up to ${connections} connections.`,
    describeMachine(environment),
    ...result.scenarios.map(scenarioReport),
  ].join('\n\n');
}

/** Every target of the scenarios that were asked for, whether measured or not. */
export function verdictsOf({ scenario: name, samples }: ScenarioResult): Verdict[] {
  return scenarioOf(name).targets.map((target) => judge(target, samples));
}

function scenarioReport(result: ScenarioResult): string {
  const { title, name } = scenarioOf(result.scenario);
  const skips = result.skips.map(({ client, reason }) => `- ${client ?? name} is left out: ${reason}`);
  const ours = result.samples.rbee ?? [];
  const rows = clientNames.flatMap((client) => {
    const samples = result.samples[client];
    return samples === undefined ? [] : [row(clients[client].title, samples, client === 'rbee' ? null : ours)];
  });
  return [
    `## ${title} (\`${name}\`)`,
    ...(skips.length === 0 ? [] : [skips.join('\n')]),
    ...(rows.length === 0 ? [] : [markdownTable(columns, rows), verdictTable(verdictsOf(result))]),
  ].join('\n\n');
}

function row(title: string, samples: readonly Sample[], ours: readonly Sample[] | null): string[] {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  const ratio = ours === null ? null : medianRatio(ours.map(speed), samples.map(speed));
  return [
    title,
    formatNumber(of(speed), 0),
    ratio === null ? '' : formatNumber(ratio, 2),
    formatNumber(
      of(({ cpuSecondsPerGib }) => cpuSecondsPerGib),
      2,
    ),
    formatNumber(
      of(({ originCpuSecondsPerGib }) => originCpuSecondsPerGib),
      2,
    ),
    formatNumber(medianOrNull(samples.map(({ peakMb }) => peakMb)), 0),
  ];
}

function scenarioOf(name: Scenario['name']): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario is called ${name}`);
  return found;
}

const speed = ({ mbPerSecond }: Sample): number => mbPerSecond;
const formatGib = (bytes: number): string => `${Number((bytes / bytesPerGib).toFixed(3))} GiB`;
const formatNumber = (value: number | null, digits: number): string => (value === null ? '-' : value.toFixed(digits));
