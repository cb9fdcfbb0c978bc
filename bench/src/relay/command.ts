import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchIo } from '../bench-io.ts';
import { readEnvironment } from '../environment.ts';
import { publish } from '../publish.ts';
import { runChain } from './chain.ts';
import { type ContenderName, contenderTitles, whyNot } from './contenders.ts';
import { parseRelayOptions, type RelayOptions } from './options.ts';
import { gateFailures, report, verdictsOf } from './report.ts';
import { metrics, type Sample, type ScenarioResult, type Skip } from './results.ts';
import { runStands } from './run-stands.ts';
import { type Scenario, scenarios } from './scenarios.ts';

const parts = { programs: ['nginx'], packages: ['fastify', '@fastify/sse'] } as const;
/** Of a process beside its streams. */
const spareFiles = 200;

/** Measures and reports the relay. Returns the exit code. @throws UsageError; Error when an event is lost */
export async function relayBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseRelayOptions(args);
  const startedAt = new Date().toISOString();
  const environment = await readEnvironment(io.path, parts);
  const folder = await mkdtemp(join(tmpdir(), 'rbee-bench-'));
  try {
    const results: ScenarioResult[] = [];
    for (const name of options.scenarios) results.push(await runScenario(scenarios[name], options, folder, io));
    const result = { startedAt, environment, rounds: options.rounds, scenarios: results };
    const verdicts = results.map((each) => ({ scenario: each.scenario, targets: verdictsOf(each) }));
    return await publish(
      {
        ...{ name: 'relay', title: 'The relay', startedAt, text: report(result) },
        figures: { ...result, verdicts },
        failures: gateFailures(results),
      },
      options,
      io,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runScenario(
  scenario: Scenario,
  options: RelayOptions,
  parent: string,
  { signal, tell, path }: BenchIo,
): Promise<ScenarioResult> {
  const { name } = scenario;
  const readers = options.readers ?? scenario.readers;
  const tooFew = await filesProblem(readers * scenario.streams);
  if (tooFew !== null) {
    tell(`${name}: left out: ${tooFew}`);
    return { scenario: name, readers, samples: {}, skips: [{ contender: null, reason: tooFew }] };
  }
  const folder = join(parent, name);
  await mkdir(folder);
  const tellRun = (round: number, contender: ContenderName, sample: Sample): void => {
    const when = round === 0 ? 'discarded' : `round ${round}/${options.rounds}`;
    tell(`${name} ${when}: ${contenderTitles[contender]}: ${describe(sample)}`);
  };
  const common = { scenario, readers, rounds: options.rounds, folder, path, signal };
  if (name === 'chain') {
    const samples = await runChain({ ...common, onRun: (round, sample) => tellRun(round, 'rbee', sample) });
    return { scenario: name, readers, samples: { rbee: samples }, skips: [] };
  }
  const wanted: ContenderName[] = ['rbee', ...(options.peers ?? scenario.peers)];
  const skips = wanted.flatMap((contender): Skip[] => {
    const reason = whyNot(contender, path);
    return reason === null ? [] : [{ contender, reason }];
  });
  for (const { contender, reason } of skips) tell(`${name}: leaves out ${contender}: ${reason}`);
  const contenders = wanted.filter((contender) => skips.every((skip) => skip.contender !== contender));
  return { scenario: name, readers, samples: await runStands({ ...common, contenders, onRun: tellRun }), skips };
}

/** Node.js raises its own limit as far as it may, so only the hard one counts. null where there is nothing to say. */
async function filesProblem(streams: number): Promise<string | null> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  const needed = streams + spareFiles;
  if (hard === undefined || Number(hard) >= needed) return null;
  return `${needed} open files are needed and ${hard} are allowed: raise the hard limit (ulimit -Hn), or take fewer --readers`;
}

function describe(sample: Sample): string {
  return Object.entries(metrics)
    .flatMap(([metric, { title, digits }]) => {
      const value = sample[metric as keyof typeof metrics];
      return value === undefined ? [] : [`${title} ${value.toFixed(digits)}`];
    })
    .join(', ');
}
