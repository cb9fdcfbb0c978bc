import { describeMachine } from '../environment.ts';
import { type Column, markdownTable } from '../table.ts';
import { failuresOf, type Verdict, verdictTable } from '../verdict.ts';
import { contenderNames, contenderTitles } from './contenders.ts';
import { judge, medianOf, ratio } from './judge.ts';
import { metrics, type RelayResult, type Sample, type ScenarioResult } from './results.ts';
import { type Scenario, scenarios } from './scenarios.ts';

/** The result as Markdown: what was run where, then two tables for each scenario. */
export function report({ environment, rounds, scenarios: results }: RelayResult): string {
  return [
    `Medians of ${rounds} alternating rounds after a discarded one.`,
    describeMachine(environment),
    ...results.map(scenarioReport),
  ].join('\n\n');
}

/** Every target of a scenario, whether measured or not. */
export function verdictsOf({ scenario, samples }: ScenarioResult): Verdict[] {
  return scenarios[scenario].targets.map((target) => judge(target, samples));
}

/** What speaks against these results, a line each; none is a pass. */
export function gateFailures(results: readonly ScenarioResult[]): string[] {
  return results.flatMap((result) => {
    const lacks = result.skips.map(({ contender, reason }) => `${contender ?? 'all'}: ${reason}`);
    return failuresOf(result.scenario, lacks, verdictsOf(result));
  });
}

function scenarioReport(result: ScenarioResult): string {
  const scenario = scenarios[result.scenario];
  const { name, title, readers } = scenario;
  const skips = result.skips.map(({ contender, reason }) => `- ${contender ?? name} is left out: ${reason}`);
  const ours = result.samples.rbee ?? [];
  const rows = contenderNames.flatMap((contender) => {
    const samples = result.samples[contender];
    return samples === undefined ? [] : [row(contenderTitles[contender], samples, ours, scenario)];
  });
  return [
    `## ${title} (\`${name}\`)`,
    ...(result.readers === readers
      ? []
      : [`With ${result.readers} readers of each stream, which the targets are not meant for.`]),
    ...(skips.length === 0 ? [] : [skips.join('\n')]),
    ...(rows.length === 0 ? [] : [markdownTable(columnsOf(scenario), rows), verdictTable(verdictsOf(result))]),
  ].join('\n\n');
}

const columnsOf = (scenario: Scenario): Column[] => [
  { title: 'server', align: 'left' },
  ...scenario.metrics.map((metric): Column => ({ title: metrics[metric].title, align: 'right' })),
  { title: 'rbee delivers x times as much', align: 'right' },
];

function row(title: string, samples: readonly Sample[], ours: readonly Sample[], scenario: Scenario): string[] {
  const more = samples === ours ? null : ratio(ours, samples, 'deliveriesPerCpuSecond');
  return [
    title,
    ...scenario.metrics.map((metric) => medianOf(samples, metric)?.toFixed(metrics[metric].digits) ?? '-'),
    more?.toFixed(2) ?? '',
  ];
}
