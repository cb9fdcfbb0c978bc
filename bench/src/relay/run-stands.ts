import { join } from 'node:path';
import type { ContenderName } from './contenders.ts';
import type { Sample, Samples } from './results.ts';
import type { Scenario } from './scenarios.ts';
import { measureIdle, openStand, type Stand } from './stand.ts';

export interface StandsOptions {
  readonly scenario: Scenario;
  readonly contenders: readonly ContenderName[];
  readonly readers: number;
  readonly rounds: number;
  readonly folder: string;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onRun: (round: number, contender: ContenderName, sample: Sample) => void;
}

/**
 * Starts all servers with their readers and lets them have short turns, round after round: what slows the machine down for a while meets
 * all of them. The first round is discarded. @throws Error when an event does not reach every reader
 */
export async function runStands(options: StandsOptions): Promise<Samples> {
  const { scenario, contenders, readers, folder, path, signal } = options;
  const stands = new Map<ContenderName, Stand>();
  const optionsOf = (name: ContenderName) => ({ folder: join(folder, name), path, readers, signal });
  const once = new Map<ContenderName, Sample>();
  for (const name of contenders) once.set(name, await measureIdle(name, optionsOf(name)));
  try {
    for (const name of contenders) stands.set(name, await openStand(name, optionsOf(name)));
    const samples: Partial<Record<ContenderName, Sample[]>> = {};
    for (let round = 0; round <= options.rounds; round += 1) {
      for (const [name, stand] of stands) {
        const sample = await (scenario.events.kind === 'burst'
          ? stand.burst(scenario.events)
          : stand.pace(scenario.events));
        options.onRun(round, name, sample);
        if (round === 0) continue;
        samples[name] ??= [];
        samples[name].push(sample);
      }
    }
    for (const [name, stand] of stands) once.set(name, { ...once.get(name), ...(await stand.end()) });
    return withOnce(samples, once);
  } finally {
    for (const stand of stands.values()) await stand.stop();
  }
}

/** What is measured once only stands in every sample. */
function withOnce(samples: Samples, once: ReadonlyMap<ContenderName, Sample>): Samples {
  const names = Object.keys(samples) as ContenderName[];
  return Object.fromEntries(
    names.map((name) => [name, samples[name]?.map((sample) => ({ ...sample, ...once.get(name) }))]),
  );
}
