import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { count, names, UsageError } from '../arguments.ts';
import { type ClientName, clientNames } from './clients.ts';
import { type ScenarioName, scenarioNames } from './scenarios.ts';

export interface DownloadOptions {
  readonly scenarios: readonly ScenarioName[];
  /** null: each scenario's own. */
  readonly peers: readonly ClientName[] | null;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly connections: number;
  /** Where a folder for the run is made. */
  readonly folder: string;
  readonly jsonFile: string | null;
  readonly isSaved: boolean;
  readonly isGate: boolean;
}

export const downloadUsage = `usage: npm run bench -- download [options]
  --only NAMES        scenarios: ${scenarioNames.join(', ')} (all)
  --peers NAMES       ${clientNames.slice(1).join(', ')}, or none (what suits the scenario)
  --size SIZE         of the file, such as 256MiB (2GiB)
  --rounds N          measured ones (5); one more is run before them and discarded
  --connections N     that the transfer engine may open (16)
  --folder FOLDER     where to download to: choose the disk that is to be measured (the system's temporary folder)
  --json FILE         writes every run's figures
  --save              writes bench/results/download.md
  --gate              ends with 1 when a target is missed, or cannot be measured for want of a program
`;

const bytesPerUnit: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const maxRounds = 1_000;
const maxConnections = 64;

/** @throws UsageError */
export function parseDownloadOptions(args: readonly string[]): DownloadOptions {
  const values = parse(args);
  return {
    scenarios: names(values.only, scenarioNames, 'scenario') ?? scenarioNames,
    peers: values.peers === 'none' ? [] : names(values.peers, clientNames.slice(1), 'peer'),
    sizeBytes: size(values.size),
    rounds: count(values.rounds, maxRounds, '--rounds'),
    connections: count(values.connections, maxConnections, '--connections'),
    folder: resolve(values.folder),
    jsonFile: values.json === undefined ? null : resolve(values.json),
    isSaved: values.save,
    isGate: values.gate,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        peers: { type: 'string' },
        size: { type: 'string', default: '2GiB' },
        rounds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '16' },
        folder: { type: 'string', default: tmpdir() },
        json: { type: 'string' },
        save: { type: 'boolean', default: false },
        gate: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function size(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(number) * (bytesPerUnit[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new UsageError(`--size is not understood: "${text}"`);
  return bytes;
}
