import type { DownloadStatus, PartialChoice } from '@rbee/contract';
import { InvalidArgumentError } from 'commander';
import { usageError } from '../errors/keeper-error.ts';

// Parsers for the values of options. Values that only the contract can parse are left to the commands, so that help and
// usage errors need not load it.

/** The range of the contract. */
const MAX_PRIORITY = 1_000_000;
/** The contract's rule for hive names. */
const HIVE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

export const ENDED_STATUSES = ['complete', 'failed', 'cancelled'] as const satisfies readonly DownloadStatus[];

export const RUNNING_STATUSES = [
  'queued',
  'starting',
  'downloading',
  'verifying',
  'paused',
] as const satisfies readonly DownloadStatus[];

export const STATUSES = [...RUNNING_STATUSES, ...ENDED_STATUSES] as const satisfies readonly DownloadStatus[];

export const ONLY_HIVE = ['--hive <name>', 'only this hive'] as const;
export const MAX_BANDWIDTH = ['--max-bandwidth <speed>', 'bandwidth limit: 50MB/s, 400Mbit/s; 0 is unlimited'] as const;
export const DISCARD = ['--discard', 'delete partial files'] as const;

export interface HiveOption {
  /** The name of one hive. */
  readonly hive?: string;
}

export interface DiscardOption {
  readonly discard?: boolean;
}

export const partialOf = ({ discard }: DiscardOption): PartialChoice => (discard ? 'discard' : 'keep');

export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

export function sha256(value: string): string {
  if (!/^[0-9a-f]{64}$/i.test(value)) throw new InvalidArgumentError('It is not 64 hex digits.');
  return value.toLowerCase();
}

export function count(value: string): number {
  return integer(value, 1, 1_000);
}

/** The contract's limit of a search. */
export function searchLimit(value: string): number {
  return integer(value, 1, 100);
}

export function port(value: string): number {
  return integer(value, 0, 65_535);
}

export function priority(value: string): number {
  return integer(value, -MAX_PRIORITY, MAX_PRIORITY);
}

function integer(value: string, least: number, most: number): number {
  const number = Number(value);
  if (/^-?\d+$/.test(value) && number >= least && number <= most) return number;
  throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
}

/** @throws KeeperError USAGE */
export function assertHiveNames(...names: readonly (string | undefined)[]): void {
  for (const name of names) {
    if (name === undefined || HIVE_NAME.test(name)) continue;
    throw usageError(`"${name}" is not the name of a hive`, 'run "rbee-keeper hive list" to see the names');
  }
}
