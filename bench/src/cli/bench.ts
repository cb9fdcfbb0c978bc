import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type BenchRun, defineBench } from '../define-bench.ts';
import { rounds } from '../options.ts';
import { startService } from '../process/service.ts';
import { median, medianRatio } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atMost, failuresOf, verdictTable } from '../verdict.ts';

/** One command and how long each of its runs took, in the order of the rounds. */
export interface CliSamples {
  readonly name: string;
  /** The target, as a multiple of bare Node.js; null for bare Node.js itself. */
  readonly maxRatio: number | null;
  readonly runMs: readonly number[];
}

const keeper = fileURLToPath(new URL('../../../apps/keeper/bin/rbee-keeper.js', import.meta.url));
const targets = { help: 1.5, list: 2.5 } as const;
/** They fill the caches of the disk and of Node.js. */
const discardedRounds = 3;
const runTimeoutMs = 30_000;
const columns: readonly Column[] = [
  { title: 'command', align: 'left' },
  { title: 'median ms', align: 'right' },
  { title: 'x bare Node.js', align: 'right' },
];

/** How fast the keeper starts, compared with a Node.js that does nothing. */
export const cliBench = defineBench({
  name: 'cli',
  title: 'The start of the keeper',
  options: { rounds: rounds(30) },
  run: (run) => withFleet(run, (queenUrl) => measure(run, queenUrl)),
  report: (samples, { rounds }) => cliReport(samples, rounds),
});

/** The ratio of each command to the first within each round, then the median. */
export function cliReport(samples: readonly CliSamples[], rounds: number): { sections: string[]; failures: string[] } {
  const bare = samples[0]?.runMs ?? [];
  const verdicts = samples.flatMap(({ name, maxRatio, runMs }) =>
    maxRatio === null ? [] : [atMost(`${name}, times bare Node.js`, maxRatio, medianRatio(runMs, bare))],
  );
  const rows = samples.map(({ name, runMs }) => [name, median(runMs).toFixed(1), medianRatio(runMs, bare).toFixed(2)]);
  return {
    sections: [
      `Medians of ${rounds} alternating rounds after ${discardedRounds} discarded ones.`,
      markdownTable(columns, rows),
      verdictTable(verdicts),
    ],
    failures: failuresOf('cli', [], verdicts),
  };
}

type Run = BenchRun<{ readonly rounds: number }>;

/** A queen and a hive for the bench alone, on free ports, with an empty store. */
async function withFleet<T>({ folder, path }: Run, work: (queenUrl: string) => Promise<T>): Promise<T> {
  const env = { PATH: path, HOME: folder, XDG_STATE_HOME: folder, RBEE_HIVE_MODELS_DIR: `${folder}/models` };
  const up = [keeper, 'up', '--queen-port', '0', '--hive-port', '0', '--json'];
  const fleet = await startService(process.execPath, up, env);
  try {
    const line = await fleet.firstLine;
    const { data } = JSON.parse(line) as { readonly data?: { readonly queen_url?: string } };
    if (data?.queen_url === undefined) throw new Error(`the fleet did not start: ${line}`);
    return await work(data.queen_url);
  } finally {
    await fleet.stop();
  }
}

async function measure({ options, folder, path, signal }: Run, queenUrl: string): Promise<CliSamples[]> {
  const env = { PATH: path, HOME: folder, RBEE_QUEEN_URL: queenUrl };
  const commands = [
    { name: 'node -e 0', maxRatio: null, args: ['-e', '0'], runMs: [] as number[] },
    { name: 'rbee-keeper --help', maxRatio: targets.help, args: [keeper, '--help'], runMs: [] as number[] },
    { name: 'rbee-keeper model list', maxRatio: targets.list, args: [keeper, 'model', 'list'], runMs: [] as number[] },
  ];
  for (let round = -discardedRounds; round < options.rounds; round += 1) {
    for (const { args, runMs } of commands) {
      const ms = await runOnce(args, env, signal);
      if (round >= 0) runMs.push(ms);
    }
  }
  return commands.map(({ name, maxRatio, runMs }) => ({ name, maxRatio, runMs }));
}

/** Milliseconds from before the start of a process to its exit. */
async function runOnce(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(runTimeoutMs)]);
  const startedMs = performance.now();
  const child = spawn(process.execPath, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], signal: limit });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += String(text)));
  const [code] = await once(child, 'exit');
  const ms = performance.now() - startedMs;
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}: ${output.slice(-1_000)}`);
  return ms;
}
