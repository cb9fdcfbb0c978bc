import type { Environment } from '../environment.ts';
import type { ClientName } from './clients.ts';
import type { ScenarioName } from './scenarios.ts';

/** One measured run. */
export interface Sample {
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGib: number;
  /** Of the origin and the line in front of it, meanwhile. */
  readonly originCpuSecondsPerGib: number;
  /** null where the system does not tell. */
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

export interface DownloadResult {
  readonly startedAt: string;
  readonly environment: Environment;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly connections: number;
  readonly scenarios: readonly ScenarioResult[];
}

export const bytesPerMb = 1e6;
export const bytesPerGib = 1024 ** 3;
