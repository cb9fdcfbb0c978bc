import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand } from '@rbee/testing';
import type { BenchIo } from '../bench-io.ts';
import { type Parts, readEnvironment } from '../environment.ts';
import { makeContent } from '../origin/content.ts';
import type { OriginFile } from '../origin/nginx-config.ts';
import { startOrigin } from '../origin/origin.ts';
import { publish } from '../publish.ts';
import { gateFailures } from './gate.ts';
import { type DownloadOptions, parseDownloadOptions } from './options.ts';
import { report, verdictsOf } from './report.ts';
import { bytesPerGib, type ScenarioResult } from './results.ts';
import { runRounds } from './run-rounds.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { participants } from './take-part.ts';

/** The file and one client's output at a time, and room for what else goes on. */
const spareBytes = bytesPerGib / 2;
const copies = 2;
const parts: Parts = {
  programs: ['nginx', 'curl', 'openssl', 'aria2c'],
  packages: ['ipull', '@huggingface/hub', 'undici'],
};

/** Measures and reports downloads. Returns the exit code. @throws UsageError; Error when a client fails */
export async function downloadBench(args: readonly string[], io: BenchIo): Promise<number> {
  const options = parseDownloadOptions(args);
  await requireRoom(options);
  const startedAt = new Date().toISOString();
  const environment = await readEnvironment(io.path, parts);
  const folder = await mkdtemp(join(options.folder, 'rbee-bench-'));
  try {
    const results = await runScenarios(options, folder, io);
    const { sizeBytes, rounds, connections } = options;
    const result = { startedAt, environment, sizeBytes, rounds, connections, scenarios: results };
    const verdicts = results.map((each) => ({ scenario: each.scenario, targets: verdictsOf(each) }));
    return await publish(
      {
        ...{ name: 'download', title: 'Downloads', startedAt, text: report(result) },
        figures: { ...result, verdicts },
        failures: gateFailures(results),
      },
      options,
      io,
    );
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
  { peers, rounds, connections, fullMemory }: DownloadOptions,
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
  const origin = await startOrigin(
    { folder: originFolder, file, nginx, isTls: scenario.isTls, serverBytesPerSecondEach, line },
    signal,
  );
  try {
    const samples = await runRounds({
      ...{ clients, rounds, connections, fullMemory, origin, file, folder, path, signal },
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
