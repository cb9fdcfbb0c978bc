import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { count, maxRounds, parseFlags, publishFlags, publishOptions, withUsage } from '../arguments.ts';
import type { PublishOptions } from '../publish.ts';

export interface StoreOptions extends PublishOptions {
  /** In the one tree that is planned. */
  readonly files: number;
  /** In the store that is listed. */
  readonly models: number;
  readonly rounds: number;
  /** Where a folder for the run is made. */
  readonly folder: string;
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

/** @throws UsageError */
export function parseStoreOptions(args: readonly string[]): StoreOptions {
  return withUsage(storeUsage, () => read(args));
}

function read(args: readonly string[]): StoreOptions {
  const values = parseFlags(args, {
    ...publishFlags,
    files: { type: 'string', default: '10000' },
    models: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '9' },
    folder: { type: 'string', default: tmpdir() },
  });
  return {
    files: count(values.files, maxFiles, '--files'),
    models: count(values.models, maxModels, '--models'),
    rounds: count(values.rounds, maxRounds, '--rounds'),
    folder: resolve(values.folder),
    ...publishOptions(values),
  };
}
