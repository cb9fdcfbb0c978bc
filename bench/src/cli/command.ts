import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchIo } from '../bench-io.ts';
import { startService } from '../process/service.ts';
import { parseCliOptions } from './options.ts';
import { type CliSamples, cliReport, cliRows } from './report.ts';

const keeper = fileURLToPath(new URL('../../../apps/keeper/bin/rbee-keeper.js', import.meta.url));
/** They fill the caches of the disk and of Node.js. */
const discardedRounds = 3;
const runTimeoutMs = 30_000;

const targets = { help: 1.5, list: 2.5 } as const;

/** Measures how fast the keeper starts. Returns the exit code. @throws UsageError; Error when a command fails */
export async function cliBench(args: readonly string[], io: BenchIo): Promise<number> {
  const { rounds, isGate } = parseCliOptions(args);
  const folder = await mkdtemp(join(tmpdir(), 'rbee-bench-'));
  try {
    const samples = await withFleet(folder, io, (queenUrl) => measure(queenUrl, rounds, folder, io));
    const rows = cliRows(samples);
    io.print(`${cpus().length} x ${cpus()[0]?.model.trim()}, Node.js ${process.versions.node}\n\n${cliReport(rows)}\n`);
    return isGate && rows.some(({ isMet }) => !isMet) ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A queen and a hive of the bench's own, on free ports, with an empty store. */
async function withFleet<T>(folder: string, { path }: BenchIo, work: (queenUrl: string) => Promise<T>): Promise<T> {
  const settings = [
    `PATH=${path}`,
    `HOME=${folder}`,
    `XDG_STATE_HOME=${folder}`,
    `RBEE_HIVE_MODELS_DIR=${folder}/models`,
  ];
  const up = [keeper, 'up', '--queen-port', '0', '--hive-port', '0', '--json'];
  const fleet = await startService('env', ['-i', ...settings, process.execPath, ...up]);
  try {
    return await work(queenUrlOf(await fleet.firstLine));
  } finally {
    await fleet.stop();
  }
}

function queenUrlOf(line: string): string {
  const told = JSON.parse(line) as { readonly data?: { readonly queen_url?: string } };
  if (told.data?.queen_url === undefined) throw new Error(`the fleet did not start: ${line}`);
  return told.data.queen_url;
}

async function measure(queenUrl: string, rounds: number, folder: string, io: BenchIo): Promise<CliSamples[]> {
  const env = { PATH: io.path, HOME: folder, RBEE_QUEEN_URL: queenUrl };
  const commands = [
    { name: 'node -e 0', maxRatio: null, args: ['-e', '0'], runMs: [] as number[] },
    { name: 'rbee-keeper --help', maxRatio: targets.help, args: [keeper, '--help'], runMs: [] as number[] },
    { name: 'rbee-keeper model list', maxRatio: targets.list, args: [keeper, 'model', 'list'], runMs: [] as number[] },
  ];
  for (let round = -discardedRounds; round < rounds; round += 1) {
    for (const { args, runMs } of commands) {
      const ms = await runOnce(args, env, io.signal);
      if (round >= 0) runMs.push(ms);
    }
  }
  io.tell(`${rounds} rounds, in turn, after ${discardedRounds} that do not count`);
  return commands;
}

/** Milliseconds from before the start of a process to its end. */
async function runOnce(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(runTimeoutMs)]);
  const startedMs = performance.now();
  const child = spawn(process.execPath, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], signal: limit });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += String(text)));
  const [code] = await once(child, 'exit');
  const ms = performance.now() - startedMs;
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}: ${said.slice(-1_000)}`);
  return ms;
}
