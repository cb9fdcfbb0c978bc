import type { ClientName } from './clients.ts';
import type { ScenarioName } from './scenarios.ts';

/** One measured run. */
export interface Sample {
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGib: number;
  /** Of the origin and the line in front of it, during the run. */
  readonly originCpuSecondsPerGib: number;
  /** null where the system does not report it. */
  readonly peakMb: number | null;
}

/** In the order of the rounds. */
export type Samples = Readonly<Partial<Record<ClientName, readonly Sample[]>>>;

export interface Skip {
  /** null: the whole scenario. */
  readonly client: ClientName | null;
  readonly reason: string;
}

export interface ScenarioResult {
  readonly scenario: ScenarioName;
  readonly samples: Samples;
  readonly skips: readonly Skip[];
}

export const bytesPerMb = 1e6;
export const bytesPerGib = 1024 ** 3;
