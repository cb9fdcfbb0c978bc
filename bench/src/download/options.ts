import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import {
  count,
  maxRounds,
  names,
  parseFlags,
  publishFlags,
  publishOptions,
  UsageError,
  withUsage,
} from '../arguments.ts';
import type { PublishOptions } from '../publish.ts';
import { type ClientName, clientNames } from './clients.ts';
import { type ScenarioName, scenarioNames } from './scenarios.ts';

export interface DownloadOptions extends PublishOptions {
  readonly scenarios: readonly ScenarioName[];
  /** null: each scenario's own. */
  readonly peers: readonly ClientName[] | null;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly connections: number;
  /** Whether each run begins with no free memory. */
  readonly fullMemory: boolean;
  /** Where a folder for the run is made. */
  readonly folder: string;
}

export const downloadUsage = `usage: npm run bench -- download [options]
  --only NAMES        scenarios: ${scenarioNames.join(', ')} (all)
  --peers NAMES       ${clientNames.slice(1).join(', ')}, or none (what suits the scenario)
  --size SIZE         of the file, such as 256MiB (2GiB)
  --rounds N          measured ones (5); one more is run before them and discarded
  --connections N     that the transfer engine may open (16)
  --full-memory       fills the memory with what may be dropped before each run: for virtual machines whose host
                      takes free memory back within moments
  --folder FOLDER     where to download to: choose the disk that is to be measured (the system's temporary folder)
  --json FILE         writes every run's figures
  --save              writes bench/results/download.md
  --gate              ends with 1 when a target is missed, or cannot be measured for want of a program
`;

const bytesPerUnit: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const maxConnections = 64;

/** @throws UsageError */
export function parseDownloadOptions(args: readonly string[]): DownloadOptions {
  return withUsage(downloadUsage, () => read(args));
}

function read(args: readonly string[]): DownloadOptions {
  const values = parseFlags(args, {
    ...publishFlags,
    only: { type: 'string' },
    peers: { type: 'string' },
    size: { type: 'string', default: '2GiB' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '16' },
    'full-memory': { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
  });
  return {
    scenarios: names(values.only, scenarioNames, 'scenario') ?? scenarioNames,
    peers: values.peers === 'none' ? [] : names(values.peers, clientNames.slice(1), 'peer'),
    sizeBytes: size(values.size),
    rounds: count(values.rounds, maxRounds, '--rounds'),
    connections: count(values.connections, maxConnections, '--connections'),
    fullMemory: values['full-memory'],
    folder: resolve(values.folder),
    ...publishOptions(values),
  };
}

function size(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(number) * (bytesPerUnit[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new UsageError(`--size is not understood: "${text}"`);
  return bytes;
}
