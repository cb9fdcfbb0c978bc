import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startHub, type TestHub } from '@rbee/testing';
import { type BenchHive, startBenchHive } from '../process/bench-hive.ts';
import type { StoreOptions } from './options.ts';
import type { StoreSample, StoreScenarioName, StoreScenarioResult } from './scenarios.ts';

const filesPerFolder = 100;
const fileBytes = 200;
const downloadsAtOnce = 8;
const healthEveryMs = 5;

/** Measures one scenario with a hub, a store and a hive of its own. */
export async function runStoreScenario(
  scenario: StoreScenarioName,
  { files, models, rounds }: StoreOptions,
  folder: string,
  signal: AbortSignal,
): Promise<StoreScenarioResult> {
  await mkdir(folder);
  const hub = await startHub();
  let hive: BenchHive | null = null;
  try {
    hive = await startBenchHive(folder, hub.url);
    const things = scenario.startsWith('plan') ? files : models;
    const run = await prepare[scenario](hub, hive, things, signal);
    const samples: StoreSample[] = [];
    let firstPeakMb: number | null = null;
    for (let round = 0; round <= rounds; round += 1) {
      const sample = await measure(hive, run, signal);
      if (round === 0) firstPeakMb = await hive.peakMb();
      else samples.push(sample);
    }
    return { scenario, things, samples, firstPeakMb, lastPeakMb: await hive.peakMb() };
  } finally {
    await hive?.stop();
    await hub.close();
  }
}

type Run = () => Promise<void>;

const prepare: Readonly<
  Record<StoreScenarioName, (hub: TestHub, hive: BenchHive, things: number, signal: AbortSignal) => Promise<Run>>
> = {
  plan: async (hub, hive, files, signal) => {
    addTree(hub, files);
    return () => plan(hive, files, 0, signal);
  },
  'plan-present': async (hub, hive, files, signal) => {
    const tree = addTree(hub, files);
    const blobs = join(hive.modelsDir, 'models--bench--tree', 'blobs');
    await mkdir(blobs, { recursive: true });
    for (const { etag } of tree) await writeFile(join(blobs, etag), Buffer.alloc(fileBytes));
    return () => plan(hive, files, files * fileBytes, signal);
  },
  list: async (hub, hive, models, signal) => {
    const refs = Array.from({ length: models }, (_, index) => `hf:bench/model-${index}::file=model.gguf`);
    for (let index = 0; index < models; index += 1) addModel(hub, index);
    const download = async () => {
      for (let ref = refs.pop(); ref !== undefined; ref = refs.pop())
        await hive.runJob({ operation: 'model_download', model: ref }, signal);
    };
    await Promise.all(Array.from({ length: downloadsAtOnce }, download));
    return () => list(hive, models, signal);
  },
  'list-found': async (_, hive, models, signal) => {
    for (let index = 0; index < models; index += 1) await putModel(hive.modelsDir, index);
    return () => list(hive, models, signal);
  },
};

function addTree(hub: TestHub, files: number) {
  const names = Array.from({ length: files }, (_, index) => `f${Math.floor(index / filesPerFolder)}/${index}.json`);
  const content = Object.fromEntries(names.map((name, seed) => [name, { size: fileBytes, seed }]));
  return hub.addRepo({ id: 'bench/tree', files: content }).files;
}

function addModel(hub: TestHub, index: number): void {
  hub.addRepo({ id: `bench/model-${index}`, files: { 'model.gguf': { size: fileBytes, seed: index } } });
}

/** As another tool leaves it: a blob, a link and a ref. */
async function putModel(modelsDir: string, index: number): Promise<void> {
  const repo = join(modelsDir, `models--bench--model-${index}`);
  const commit = index.toString(16).padStart(40, '0');
  const blob = index.toString(16).padStart(64, '0');
  for (const folder of ['blobs', 'refs', `snapshots/${commit}`]) await mkdir(join(repo, folder), { recursive: true });
  await writeFile(join(repo, 'blobs', blob), Buffer.alloc(fileBytes));
  await writeFile(join(repo, 'refs', 'main'), commit);
  await symlink(`../../blobs/${blob}`, join(repo, 'snapshots', commit, 'model.gguf'));
}

async function plan(hive: BenchHive, files: number, presentBytes: number, signal: AbortSignal): Promise<void> {
  const text = await hive.runJob({ operation: 'model_plan', model: 'hf:bench/tree::include=*' }, signal);
  const data =
    /^event: data\n(?:id: .*\n)?data: (.*)$/m.exec(text)?.[1] ?? /^data: (\{"action":"model_plan".*)$/m.exec(text)?.[1];
  const { payload } = JSON.parse(data ?? '{}') as { payload?: { files: unknown[]; present_bytes: number } };
  if (payload?.files.length !== files || payload.present_bytes !== presentBytes) throw new Error('a wrong plan');
}

async function list(hive: BenchHive, models: number, signal: AbortSignal): Promise<void> {
  const answer = JSON.parse(await hive.get('/v2/models', signal)) as { models: unknown[]; problems: unknown[] };
  if (answer.models.length !== models || answer.problems.length > 0) throw new Error('a wrong list');
}

async function measure(hive: BenchHive, run: Run, signal: AbortSignal): Promise<StoreSample> {
  const done = new AbortController();
  const stalls = watchStalls(hive, AbortSignal.any([signal, done.signal]));
  const startedMs = performance.now();
  await run();
  const ms = performance.now() - startedMs;
  done.abort();
  return { ms, stallMs: await stalls };
}

/** The longest answer to the smallest request, until the signal aborts. */
async function watchStalls(hive: BenchHive, signal: AbortSignal): Promise<number> {
  let longestMs = 0;
  while (!signal.aborted) {
    const startedMs = performance.now();
    await hive.get('/health', AbortSignal.timeout(60_000));
    longestMs = Math.max(longestMs, performance.now() - startedMs);
    await delay(healthEveryMs);
  }
  return longestMs;
}
