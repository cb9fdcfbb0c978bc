import { median, medianOrNull, medianRatio } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atLeast, atMost, failuresOf, type Verdict, verdictTable } from '../verdict.ts';
import { clientNames, clients } from './clients.ts';
import { bytesPerGib, bytesPerMb, type Sample, type Samples, type ScenarioResult } from './results.ts';
import { type Scenario, scenarios, type Target } from './scenarios.ts';

export interface RunOptions {
  /** Of the file, in bytes. */
  readonly size: number;
  readonly rounds: number;
  readonly connections: number;
}

const columns: readonly Column[] = [
  { title: 'client', align: 'left' },
  { title: 'MB/s', align: 'right' },
  { title: 'rbee is x times as fast', align: 'right' },
  { title: 'CPU s per GiB', align: 'right' },
  { title: 'origin CPU s per GiB', align: 'right' },
  { title: 'peak MB', align: 'right' },
];

/** What ran, then two tables for each scenario. */
export function reportOfDownloads(results: readonly ScenarioResult[], options: RunOptions): string[] {
  const { size, rounds, connections } = options;
  const gib = Number((size / bytesPerGib).toFixed(3));
  return [
    `${gib} GiB, medians of ${rounds} alternating rounds after a discarded one, up to ${connections} connections.`,
    ...results.map(sectionOf),
  ];
}

/** What the gate objects to, a line each. A target whose peer was not asked for does not count; a missing program does. */
export function failuresOfDownloads(results: readonly ScenarioResult[]): string[] {
  return results.flatMap((result) => {
    const missing = result.skips.map(({ client, reason }) => `${client ?? 'all clients'}: ${reason}`);
    return failuresOf(result.scenario, missing, verdictsOf(result));
  });
}

/** Every target of the scenario, measured or not. */
export function verdictsOf({ scenario: name, samples }: ScenarioResult): Verdict[] {
  return scenarioOf(name).targets.map((target) => judge(target, samples));
}

/** The transfer engine against one of its targets. */
export function judge(target: Target, samples: Samples): Verdict {
  const ours = samples.rbee ?? [];
  const measured = (measure: () => number | null): number | null => (ours.length === 0 ? null : measure());
  switch (target.kind) {
    case 'ratio': {
      const theirs = samples[target.over];
      const value = measured(() => (theirs === undefined ? null : medianRatio(ours.map(speed), theirs.map(speed))));
      return atLeast(`throughput over that of ${target.over}`, target.atLeast, value);
    }
    case 'line': {
      const lineMb = target.bytesPerSecond / bytesPerMb;
      const value = measured(() => median(ours.map(speed)) / lineMb);
      return atLeast(`share of a line of ${Math.round(lineMb)} MB/s`, target.atLeast, value);
    }
    case 'cpu': {
      const value = measured(() => median(ours.map(({ cpuSecondsPerGib }) => cpuSecondsPerGib)));
      return atMost('CPU seconds per GiB', target.atMostSecondsPerGib, value);
    }
    case 'memory': {
      const value = measured(() => medianOrNull(ours.map(({ peakMb }) => peakMb)));
      return atMost('peak memory in MB', target.atMostMb, value);
    }
  }
}

function sectionOf(result: ScenarioResult): string {
  const { title, name } = scenarioOf(result.scenario);
  const skips = result.skips.map(({ client, reason }) => `- ${client ?? name} was skipped: ${reason}`);
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
  const medianOf = (pick: (sample: Sample) => number, digits: number): string =>
    median(samples.map(pick)).toFixed(digits);
  return [
    title,
    medianOf(speed, 0),
    ours === null ? '' : medianRatio(ours.map(speed), samples.map(speed)).toFixed(2),
    medianOf(({ cpuSecondsPerGib }) => cpuSecondsPerGib, 2),
    medianOf(({ originCpuSecondsPerGib }) => originCpuSecondsPerGib, 2),
    medianOrNull(samples.map(({ peakMb }) => peakMb))?.toFixed(0) ?? '-',
  ];
}

function scenarioOf(name: Scenario['name']): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario is called ${name}`);
  return found;
}

const speed = ({ mbPerSecond }: Sample): number => mbPerSecond;
