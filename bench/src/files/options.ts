import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { count, maxRounds, parseFlags, publishFlags, publishOptions, withUsage } from '../arguments.ts';
import type { PublishOptions } from '../publish.ts';

export interface FilesOptions extends PublishOptions {
  readonly rounds: number;
  /** Where a folder for the run is made. */
  readonly folder: string;
}

export const filesUsage = `usage: npm run bench -- files [options]
  --rounds N          measured ones (5); one more is run before them and discarded
  --folder FOLDER     where to download to (the system's temporary folder)
  --json FILE         writes every run's figures
  --save              writes bench/results/files.md
  --gate              ends with 1 when a target is missed
`;

/** @throws UsageError */
export function parseFilesOptions(args: readonly string[]): FilesOptions {
  return withUsage(filesUsage, () => read(args));
}

function read(args: readonly string[]): FilesOptions {
  const values = parseFlags(args, {
    ...publishFlags,
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  });
  return {
    rounds: count(values.rounds, maxRounds, '--rounds'),
    folder: resolve(values.folder),
    ...publishOptions(values),
  };
}
