import type { Environment } from '../environment.ts';
import type { ContenderName } from './contenders.ts';

/** Milliseconds of each contender, in the order of the rounds. */
export type Samples = Readonly<Record<ContenderName, readonly number[]>>;

export interface FilesResult {
  readonly startedAt: string;
  readonly environment: Environment;
  readonly rounds: number;
  readonly files: number;
  readonly bytes: number;
  readonly samples: Samples;
}
