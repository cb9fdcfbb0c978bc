import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../arguments.ts';

export interface StoreOptions {
  /** In the one tree that is planned. */
  readonly files: number;
  /** In the store that is listed. */
  readonly models: number;
  readonly rounds: number;
  /** Where a folder for the run is made. */
  readonly folder: string;
  readonly jsonFile: string | null;
  readonly isSaved: boolean;
  readonly isGate: boolean;
}

export const storeUsage = `usage: npm run bench -- store [options]
  --files N           in the tree that is planned (10000)
  --models N          in the store that is listed (1000)
  --rounds N          measured ones (9); one more is run before them and discarded
  --folder FOLDER     where the stores are made (the system's temporary folder)
  --json FILE         writes every run's figures
  --save              writes bench/results/store.md
  --gate              ends with 1 when a target is missed
`;

const maxFiles = 100_000;
const maxModels = 10_000;
const maxRounds = 1_000;

/** @throws UsageError */
export function parseStoreOptions(args: readonly string[]): StoreOptions {
  const values = parse(args);
  return {
    files: count(values.files, maxFiles, '--files'),
    models: count(values.models, maxModels, '--models'),
    rounds: count(values.rounds, maxRounds, '--rounds'),
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
        files: { type: 'string', default: '10000' },
        models: { type: 'string', default: '1000' },
        rounds: { type: 'string', default: '9' },
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

function count(text: string, most: number, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw new UsageError(`${option} is a number from 1 to ${most}, not "${text}"`);
  }
  return number;
}
