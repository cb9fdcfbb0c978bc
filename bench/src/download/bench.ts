import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand } from '@rbee/testing';
import { type BenchRun, defineBench } from '../define-bench.ts';
import { count, names, rounds, size, toggle, type ValuesOf } from '../options.ts';
import { makeContent } from '../origin/content.ts';
import type { OriginFile } from '../origin/nginx-config.ts';
import { startOrigin } from '../origin/origin.ts';
import { clientNames } from './clients.ts';
import { participants } from './participants.ts';
import { failuresOfDownloads, reportOfDownloads } from './report.ts';
import { bytesPerGib, type ScenarioResult } from './results.ts';
import { runRounds } from './run-rounds.ts';
import { type Scenario, scenarioNames, scenarios } from './scenarios.ts';

const maxConnections = 64;
/** The file and the output of one client at a time, and some room for everything else. */
const copies = 2;
const spareBytes = bytesPerGib / 2;

const options = {
  only: names(scenarioNames, 'scenarios'),
  peers: names([...clientNames.slice(1), 'none'] as const, 'in place of those that suit the scenario'),
  size: size('2GiB', 'of the file'),
  rounds: rounds(5),
  connections: count(16, maxConnections, 'that the transfer engine may open'),
  'full-memory': toggle('fills the memory with droppable pages before each run: see bench/README.md'),
};
type Run = BenchRun<ValuesOf<typeof options>>;

/** One large file, with nothing in the way or a line that is slow or far. */
export const downloadBench = defineBench({
  name: 'download',
  title: 'Downloads',
  programs: ['nginx', 'curl', 'openssl', 'aria2c'],
  packages: ['ipull', '@huggingface/hub', 'undici'],
  options,
  async run(run): Promise<ScenarioResult[]> {
    const { options, folder, signal, log } = run;
    const sizeBytes = options.size;
    await requireSpace(folder, copies * sizeBytes + spareBytes);
    log(`makes a file of ${sizeBytes} bytes in ${folder}`);
    const path = join(folder, 'content');
    const file = { path, sizeBytes, sha256: await makeContent(path, sizeBytes, signal) };
    const results: ScenarioResult[] = [];
    for (const scenario of scenarios) {
      if (options.only?.includes(scenario.name) ?? true) results.push(await runScenario(scenario, file, run));
    }
    return results;
  },
  report: (results, options) => ({
    sections: reportOfDownloads(results, options),
    failures: failuresOfDownloads(results),
  }),
});

async function requireSpace(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  const gib = (bytes: number): string => `${(bytes / bytesPerGib).toFixed(1)} GiB`;
  throw new Error(`${folder} has ${gib(bavail * bsize)} free, ${gib(needed)} are needed: see --folder and --size`);
}

async function runScenario(scenario: Scenario, file: OriginFile, run: Run): Promise<ScenarioResult> {
  const { options, folder, signal, log, path } = run;
  const { rounds, connections } = options;
  const peers = options.peers?.flatMap((peer) => (peer === 'none' ? [] : [peer])) ?? null;
  const { clients, skips } = participants(scenario, peers, path);
  for (const { client, reason } of skips) log(`${scenario.name}: skips ${client ?? 'all'}: ${reason}`);
  const nginx = findCommand('nginx', path);
  if (clients.length === 0 || nginx === null) return { scenario: scenario.name, samples: {}, skips };
  const originFolder = join(folder, scenario.name);
  await mkdir(originFolder);
  const { isTls, serverBytesPerSecondEach, line } = scenario;
  const origin = await startOrigin(
    { folder: originFolder, file, nginx, isTls, serverBytesPerSecondEach, line },
    signal,
  );
  try {
    const samples = await runRounds({
      ...{ clients, rounds, connections, fullMemory: options['full-memory'], origin, file, folder, path, signal },
      onRun: (round, client, { mbPerSecond, cpuSecondsPerGib }) => {
        const when = round === 0 ? 'discarded' : `round ${round}/${rounds}`;
        const figures = `${mbPerSecond.toFixed(0)} MB/s, ${cpuSecondsPerGib.toFixed(2)} CPU s/GiB`;
        log(`${scenario.name} ${when}: ${client} ${figures}`);
      },
    });
    return { scenario: scenario.name, samples, skips };
  } finally {
    await origin.stop();
  }
}
