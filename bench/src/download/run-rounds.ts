import { execFile } from 'node:child_process';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestOf } from '../origin/content.ts';
import type { OriginFile } from '../origin/nginx-config.ts';
import type { Origin } from '../origin/origin.ts';
import { runMeasured } from '../process/measured-run.ts';
import { type ClientName, clientEnv, clients, type Job } from './clients.ts';
import { bytesPerGib, bytesPerMb, type Sample, type Samples } from './results.ts';

export interface RoundsOptions {
  readonly clients: readonly ClientName[];
  readonly rounds: number;
  readonly connections: number;
  /** Whether each run starts without free memory: see `settle`. */
  readonly fullMemory: boolean;
  readonly origin: Origin;
  readonly file: OriginFile;
  /** For the runs alone. */
  readonly folder: string;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onRun: (round: number, client: ClientName, sample: Sample) => void;
}

/** A client that is slower than this over the whole file counts as hung. */
const slowestBytesPerSecond = 2e6;
const graceMs = 60_000;
const msPerSecond = 1_000;

/**
 * Lets every client fetch the file in turn, round after round, so that a slow stretch of the machine hits all of them. The first
 * round meets cold memory and is discarded. @throws Error when a client fails or fetches a wrong file
 */
export async function runRounds(options: RoundsOptions): Promise<Samples> {
  const samples: Partial<Record<ClientName, Sample[]>> = {};
  if (options.fullMemory) await makeBallast(ballastOf(options));
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const client of options.clients) {
      const sample = await runOnce(client, options);
      options.onRun(round, client, sample);
      if (round === 0) continue;
      samples[client] ??= [];
      samples[client].push(sample);
    }
  }
  await rm(outputFolder(options), { recursive: true, force: true });
  await rm(ballastOf(options), { force: true });
  return samples;
}

async function runOnce(name: ClientName, options: RoundsOptions): Promise<Sample> {
  const { origin, file, path, signal, connections } = options;
  const { url, hubUrl, caFile } = origin;
  const folder = outputFolder(options);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await settle(file.path, folder, options.fullMemory ? ballastOf(options) : null);
  const { sizeBytes, sha256 } = file;
  const job: Job = { url, hubUrl, folder, sizeBytes, sha256, caFile, connections };
  const { steps, output } = clients[name].plan(job);
  const timeoutMs = graceMs + (sizeBytes / slowestBytesPerSecond) * msPerSecond;
  const originBefore = origin.cpuSeconds();
  const cost = await runMeasured({ steps, env: clientEnv({ path, home: folder, caFile }), timeoutMs, signal });
  const originCpuSeconds = origin.cpuSeconds() - originBefore;
  const digest = await digestOf(output, signal);
  if (digest !== sha256) throw new Error(`${name} fetched a wrong file: its sha256 is ${digest}, not ${sha256}`);
  const gib = sizeBytes / bytesPerGib;
  return {
    seconds: cost.wallSeconds,
    mbPerSecond: sizeBytes / bytesPerMb / cost.wallSeconds,
    cpuSecondsPerGib: cost.cpuSeconds / gib,
    originCpuSecondsPerGib: originCpuSeconds / gib,
    peakMb: cost.peakBytes === null ? null : cost.peakBytes / bytesPerMb,
  };
}

/**
 * Waits until the disk is done with the last run, and warms the memory: a virtual machine gets its pages from the host on first
 * touch, which costs more than everything else. Twice the size of the file is more than any client needs. Some hosts take free
 * pages back within moments; there, memory is filled with droppable pages instead, so that no client meets a free one.
 */
async function settle(original: string, folder: string, ballast: string | null): Promise<void> {
  const warm = 'cat "$1" > "$2/1.warm"; cat "$1" > "$2/2.warm"; rm "$2/1.warm" "$2/2.warm"';
  const fill = 'cat "$3" > /dev/null; cat "$1" > /dev/null';
  const script = `sync; ${ballast === null ? warm : fill}`;
  await promisify(execFile)('/bin/sh', ['-c', script, 'sh', original, folder, ballast ?? '']);
}

/** A sparse file: as long as the memory, without taking disk space. */
async function makeBallast(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, totalmem());
}

const outputFolder = ({ folder }: RoundsOptions): string => join(folder, 'output');
const ballastOf = ({ folder }: RoundsOptions): string => join(folder, 'ballast');
