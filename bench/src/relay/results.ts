import type { Environment } from '../environment.ts';
import type { ContenderName } from './contenders.ts';
import type { ScenarioName } from './scenarios.ts';

export const metrics = {
  deliveriesPerCpuSecond: { title: 'deliveries per CPU s', digits: 0 },
  p50Ms: { title: 'p50 ms', digits: 1 },
  p99Ms: { title: 'p99 ms', digits: 1 },
  longestStopMs: { title: 'longest stop of the event loop, ms', digits: 1 },
  kbPerReader: { title: 'KB per idle reader', digits: 1 },
  upstreams: { title: 'connections to the hive', digits: 0 },
  closeMs: { title: 'end of all streams, ms', digits: 0 },
} as const;
export type Metric = keyof typeof metrics;

/** One measured run, in which every event reached every reader. What is not there was not measured. */
export type Sample = Readonly<Partial<Record<Metric, number>>>;

/** In the order of the rounds. */
export type Samples = Readonly<Partial<Record<ContenderName, readonly Sample[]>>>;

export interface Skip {
  /** null: the whole scenario. */
  readonly contender: ContenderName | null;
  readonly reason: string;
}

export interface ScenarioResult {
  readonly scenario: ScenarioName;
  readonly readers: number;
  readonly samples: Samples;
  readonly skips: readonly Skip[];
}

export interface RelayResult {
  readonly startedAt: string;
  readonly environment: Environment;
  readonly rounds: number;
  readonly scenarios: readonly ScenarioResult[];
}
