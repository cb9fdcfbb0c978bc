import type { DownloadStatus, PartialChoice } from '@rbee/contract';
import { InvalidArgumentError } from 'commander';

// How the values of options are read. What takes the contract to read is read by the actions, so that help and usage
// errors need not wait for it.

/** What the contract takes. */
const MAX_PRIORITY = 1_000_000;

export const ENDED_STATUSES = ['complete', 'failed', 'cancelled'] as const satisfies readonly DownloadStatus[];

export const STATUSES = [
  'queued',
  'starting',
  'downloading',
  'verifying',
  'paused',
  ...ENDED_STATUSES,
] as const satisfies readonly DownloadStatus[];

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

/** The examples below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ rbee-keeper ${line}`).join('\n')}`;
}
