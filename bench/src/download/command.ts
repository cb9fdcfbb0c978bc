import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeContent } from '../origin/content.ts';
import type { OriginFile } from '../origin/nginx-config.ts';
import { startOrigin } from '../origin/origin.ts';
import { findCommand } from '../process/find-command.ts';
import { describeEnvironment } from './environment.ts';
import { gateFailures } from './gate.ts';
import { type DownloadOptions, parseDownloadOptions } from './options.ts';
import { report, verdictsOf } from './report.ts';
import { bytesPerGib, type DownloadResult, type ScenarioResult } from './results.ts';
import { runRounds } from './run-rounds.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { participants } from './take-part.ts';

export interface BenchIo {
  readonly signal: AbortSignal;
  /** The result. */
  readonly print: (text: string) => void;
  /** What happens meanwhile. */
  readonly tell: (line: string) => void;
  readonly path: string;
}

/** The file and one client's output at a time, and room for what else goes on. */
const spareBytes = bytesPerGib / 2;
const copies = 2;
const savedFile = fileURLToPath(new URL('../../results/download.md', import.meta.url));

/** Measures and reports downloads. Returns the exit code. @throws UsageError; Error when a client fails */
export async function downloadBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseDownloadOptions(args);
  await requireRoom(options);
  const startedAt = new Date().toISOString();
  const environment = await describeEnvironment(io.path);
  const folder = await mkdtemp(join(options.folder, 'rbee-bench-'));
  try {
    const results = await runScenarios(options, folder, io);
    const { sizeBytes, rounds, connections } = options;
    const result = { startedAt, environment, sizeBytes, rounds, connections, scenarios: results };
    await publish(result, options, io);
    if (!options.isGate) return 0;
    const failures = gateFailures(results);
    for (const line of failures) io.tell(`gate: ${line}`);
    io.tell(failures.length === 0 ? 'gate: passed' : 'gate: not passed');
    return failures.length === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function requireRoom({ folder, sizeBytes }: DownloadOptions): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const needed = copies * sizeBytes + spareBytes;
  if (bavail * bsize >= needed) return;
  const gib = (bytes: number): string => `${(bytes / bytesPerGib).toFixed(1)} GiB`;
  throw new Error(`${folder} has ${gib(bavail * bsize)} left, ${gib(needed)} are needed: see --folder and --size`);
}

async function runScenarios(options: DownloadOptions, folder: string, io: BenchIo): Promise<ScenarioResult[]> {
  io.tell(`makes a file of ${options.sizeBytes} bytes in ${folder}`);
  const path = join(folder, 'content');
  const { sizeBytes } = options;
  const file = { path, sizeBytes, sha256: await makeContent(path, sizeBytes, io.signal) };
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    if (options.scenarios.includes(scenario.name)) results.push(await runScenario(scenario, file, options, folder, io));
  }
  return results;
}

async function runScenario(
  scenario: Scenario,
  file: OriginFile,
  { peers, rounds, connections }: DownloadOptions,
  folder: string,
  { signal, tell, path }: BenchIo,
): Promise<ScenarioResult> {
  const { clients, skips } = participants(scenario, peers, path);
  for (const { client, reason } of skips) tell(`${scenario.name}: leaves out ${client ?? 'all'}: ${reason}`);
  const nginx = findCommand('nginx', path);
  if (clients.length === 0 || nginx === null) return { scenario: scenario.name, samples: {}, skips };
  const originFolder = join(folder, scenario.name);
  await mkdir(originFolder);
  const { serverBytesPerSecondEach, line } = scenario;
  const openssl = scenario.isTls ? findCommand('openssl', path) : null;
  const origin = await startOrigin(
    { folder: originFolder, file, nginx, openssl, serverBytesPerSecondEach, line },
    signal,
  );
  try {
    const samples = await runRounds({
      ...{ clients, rounds, connections, origin, file, folder, path, signal },
      onRun: (round, client, { mbPerSecond, cpuSecondsPerGib }) => {
        const when = round === 0 ? 'discarded' : `round ${round}/${rounds}`;
        tell(
          `${scenario.name} ${when}: ${client} ${mbPerSecond.toFixed(0)} MB/s, ${cpuSecondsPerGib.toFixed(2)} CPU s/GiB`,
        );
      },
    });
    return { scenario: scenario.name, samples, skips };
  } finally {
    await origin.stop();
  }
}

async function publish(result: DownloadResult, { jsonFile, isSaved }: DownloadOptions, io: BenchIo): Promise<void> {
  const text = report(result);
  io.print(`${text}\n`);
  if (jsonFile !== null) {
    const verdicts = result.scenarios.map((each) => ({ scenario: each.scenario, targets: verdictsOf(each) }));
    await writeFile(jsonFile, `${JSON.stringify({ ...result, verdicts }, null, 2)}\n`);
  }
  if (!isSaved) return;
  await mkdir(dirname(savedFile), { recursive: true });
  const origin = 'Written by `npm run bench -- download --save`; [what it means](../README.md).';
  await writeFile(savedFile, `# Downloads, measured ${result.startedAt.slice(0, 10)}\n\n${origin}\n\n${text}\n`);
}
