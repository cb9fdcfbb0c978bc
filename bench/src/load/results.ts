import type { Environment } from '../environment.ts';

/** Answers that are alike, and how many there were. */
export interface AnswerCount {
  readonly status: number;
  /** Of the error body; null for a success, and `none` for a failure without one. */
  readonly code: string | null;
  readonly count: number;
}

/** How one daemon bore it. */
export interface DaemonLoad {
  readonly name: string;
  /** The most memory it has held; null where the system does not tell. */
  readonly peakMb: number | null;
  /** Of the smallest request there is, which waits for the event loop and nothing else. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

export interface LoadResult {
  readonly startedAt: string;
  readonly environment: Environment;
  readonly clients: number;
  readonly seconds: number;
  readonly downloads: number;
  readonly answers: readonly AnswerCount[];
  /** Connections that broke and requests that were never answered. */
  readonly broken: number;
  /** Downloads of before that still ran at the end or had completed, by status. */
  readonly downloadsAfter: Readonly<Record<string, number>>;
  /** Bytes per second of the hive that is limited, over the run. */
  readonly limitedSpeed: number;
  readonly daemons: readonly DaemonLoad[];
}
