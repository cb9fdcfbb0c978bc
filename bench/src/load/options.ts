import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { count, parseFlags, publishFlags, publishOptions, withUsage } from '../arguments.ts';
import type { PublishOptions } from '../publish.ts';

export interface LoadOptions extends PublishOptions {
  /** Clients that each create one job after the other. */
  readonly clients: number;
  /** Of the creation of jobs. */
  readonly seconds: number;
  /** Downloads that run meanwhile. */
  readonly downloads: number;
  /** Where a folder for the run is made. */
  readonly folder: string;
}

export const loadUsage = `usage: npm run bench -- load [options]
  --clients N         that create jobs at the same time (200)
  --seconds N         for how long (10)
  --downloads N       that run meanwhile (20)
  --folder FOLDER     where the stores are made (the system's temporary folder)
  --json FILE         writes the figures
  --save              writes bench/results/load.md
  --gate              ends with 1 where an answer is not one of the contract's
`;

const maxClients = 2_000;
const maxSeconds = 600;
const maxDownloads = 200;

/** @throws UsageError */
export function parseLoadOptions(args: readonly string[]): LoadOptions {
  return withUsage(loadUsage, () => {
    const values = parseFlags(args, {
      ...publishFlags,
      clients: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '10' },
      downloads: { type: 'string', default: '20' },
      folder: { type: 'string', default: tmpdir() },
    });
    return {
      clients: count(values.clients, maxClients, '--clients'),
      seconds: count(values.seconds, maxSeconds, '--seconds'),
      downloads: count(values.downloads, maxDownloads, '--downloads'),
      folder: resolve(values.folder),
      ...publishOptions(values),
    };
  });
}
