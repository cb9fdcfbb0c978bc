import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestOf } from '../origin/content.ts';
import { type Contender, type ContenderName, contenderNames } from './contenders.ts';
import type { FarHubHello } from './far-hub.ts';
import { repo } from './model.ts';

/** Milliseconds of each contender, in the order of the rounds. */
export type Samples = Readonly<Record<ContenderName, readonly number[]>>;

export interface RoundsOptions {
  readonly contenders: Readonly<Record<ContenderName, Contender>>;
  readonly rounds: number;
  readonly hub: FarHubHello;
  /** For the runs alone. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onRun: (round: number, name: ContenderName, ms: number) => void;
}

const runTimeoutMs = 180_000;

/**
 * Lets the contenders take turns, round after round, so that a slow stretch of the machine hits all of them. The first round
 * meets cold memory and is discarded. @throws Error when a contender fails or fetches a wrong file
 */
export async function runRounds(options: RoundsOptions): Promise<Samples> {
  const samples: Record<ContenderName, number[]> = { rbee: [], snapshot: [], 'eight-at-once': [], 'one-by-one': [] };
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const name of contenderNames) {
      const ms = await runOnce(name, options);
      options.onRun(round, name, ms);
      if (round > 0) samples[name].push(ms);
    }
  }
  return samples;
}

async function runOnce(name: ContenderName, options: RoundsOptions): Promise<number> {
  const { contenders, hub, signal } = options;
  const folder = join(options.folder, 'run');
  await mkdir(folder);
  try {
    // The write-back of the last run must not count for this one.
    await promisify(execFile)('sync');
    const limit = AbortSignal.any([signal, AbortSignal.timeout(runTimeoutMs)]);
    const { ms, cacheDir } = await contenders[name].fetch({ hubUrl: hub.url, folder, signal: limit });
    await check(name, cacheDir, hub, signal);
    return ms;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function check(name: ContenderName, cacheDir: string, hub: FarHubHello, signal: AbortSignal): Promise<void> {
  const snapshot = join(cacheDir, `models--${repo.replace('/', '--')}`, 'snapshots', hub.commit);
  for (const { path, sha256 } of hub.files) {
    const digest = await digestOf(join(snapshot, path), signal);
    if (digest !== sha256) throw new Error(`${name} fetched a wrong ${path}: its sha256 is ${digest}, not ${sha256}`);
  }
}
