import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { pathOf, queenRoutes } from '@rbee/contract';
import { acceptsSoon, freePort } from '@rbee/testing';
import { startHelper } from '../process/helper.ts';
import { cpuSecondsOfTree } from '../process/proc.ts';
import { type Service, startService } from '../process/service.ts';
import type { CrowdQuestion, WatchResult } from './crowd-questions.ts';
import type { HiveHello, HiveQuestion, HiveReport } from './hive-main.ts';
import type { Sample } from './results.ts';
import type { Scenario } from './scenarios.ts';
import { startCrowd } from './stand.ts';

export interface ChainOptions {
  readonly scenario: Scenario;
  readonly readers: number;
  readonly rounds: number;
  /** For the queen. */
  readonly folder: string;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly onRun: (round: number, sample: Sample) => void;
}

const hiveName = 'bench';
const warmUpEvents = 4;
const quietMs = 500;
const onlineTimeoutMs = 10_000;
const askEveryMs = 50;

/**
 * A hive's streams, the queen as it is installed, and readers of the queen's streams; all of them are processes. Each event carries the
 * moment in which the hive made it. @throws Error when an event does not reach every reader
 */
export async function runChain(options: ChainOptions): Promise<Sample[]> {
  const { scenario, signal, folder, path } = options;
  const closing: (() => Promise<void>)[] = [];
  try {
    const script = new URL('hive-main.ts', import.meta.url);
    const hive = await startHelper({ script, args: [String(scenario.streams)], signal });
    closing.push(() => hive.stop());
    const { port: hivePort, ids } = hive.hello as HiveHello;
    const port = await freePort();
    const queen = await startQueen(port, hivePort, { folder, path });
    closing.push(() => queen.stop());
    await acceptsSoon(port, signal);
    await isOnline(`http://127.0.0.1:${port}${pathOf(queenRoutes.listHives)}`, signal);
    const crowd = await startCrowd(signal);
    closing.push(() => crowd.stop());
    const ask = (question: CrowdQuestion): Promise<unknown> => crowd.ask(question);
    const paths = ids.map((id) => pathOf(queenRoutes.streamDownload, { id }));
    await ask({ kind: 'gather', port, paths, readersEach: options.readers });
    const run = (question: HiveQuestion) => hive.ask(question) as Promise<HiveReport>;
    return await measure({ ...options, run, ask, queenPid: queen.pid });
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

interface Parts extends ChainOptions {
  readonly run: (question: HiveQuestion) => Promise<HiveReport>;
  readonly ask: (question: CrowdQuestion) => Promise<unknown>;
  readonly queenPid: number;
}

async function measure({ scenario, readers, rounds, onRun, run, ask, queenPid }: Parts): Promise<Sample[]> {
  if (scenario.events.kind !== 'pace') throw new Error('the chain has a pace');
  const { perSecond, seconds } = scenario.events;
  const events = perSecond * seconds;
  const expected = scenario.streams * readers * events;
  const samples: Sample[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    await run({ events: warmUpEvents, perSecond });
    await ask({ kind: 'quiet', ms: quietMs });
    await ask({ kind: 'watch' });
    const cpuBefore = cpuSecondsOfTree(queenPid);
    const { upstreams } = await run({ events, perSecond });
    const { deliveries, p50Ms, p99Ms } = (await ask({ kind: 'watched', deliveries: expected })) as WatchResult;
    if (deliveries !== expected) throw new Error(`the queen delivered ${deliveries} of ${expected} events`);
    const deliveriesPerCpuSecond = deliveries / (cpuSecondsOfTree(queenPid) - cpuBefore);
    const sample = { deliveriesPerCpuSecond, p50Ms, p99Ms, upstreams };
    onRun(round, sample);
    if (round > 0) samples.push(sample);
  }
  return samples;
}

function startQueen(
  port: number,
  hivePort: number,
  { folder, path }: { folder: string; path: string },
): Promise<Service> {
  const bin = createRequire(import.meta.url).resolve('rbee-queen/bin');
  const flags = ['--port', String(port), '--hives', `${hiveName}=http://127.0.0.1:${hivePort}`];
  // No settings of the user's.
  const env = { PATH: path, HOME: folder, RBEE_QUEEN_STATE_DIR: folder, RBEE_LOG_LEVEL: 'warn' };
  return startService(process.execPath, [bin, ...flags], env);
}

async function isOnline(url: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(onlineTimeoutMs)]);
  for (;;) {
    const { hives } = (await (await fetch(url, { signal: limit })).json()) as { hives: { online: boolean }[] };
    if (hives.some(({ online }) => online)) return;
    await delay(askEveryMs, null, { signal: limit });
  }
}
