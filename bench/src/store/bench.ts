import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHub, type TestHub } from '@rbee/testing';
import { defineBench } from '../define-bench.ts';
import { count, rounds } from '../options.ts';
import { type HiveDaemon, probeHealth, startHive } from '../process/daemons.ts';
import { median } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atMost, failuresOf, verdictTable } from '../verdict.ts';

type StoreScenario = 'plan' | 'plan-present' | 'list' | 'list-found';

interface StoreSample {
  /** From the request to the last byte of the response. */
  readonly ms: number;
  /** The slowest response to `GET /health` in that time. */
  readonly stallMs: number;
}

export interface StoreResult {
  readonly scenario: StoreScenario;
  /** How many files or models. */
  readonly items: number;
  readonly samples: readonly StoreSample[];
  /** The most memory the hive has held, after the discarded round and after the last; null where the system does not report it. */
  readonly firstPeakMb: number | null;
  readonly lastPeakMb: number | null;
}

const titles: Readonly<Record<StoreScenario, string>> = {
  plan: 'plan of a tree, nothing on disk',
  'plan-present': 'plan of a tree, all of it on disk',
  list: 'list of models that the hive fetched',
  'list-found': 'list of models that other tools fetched',
};
const targetMs = 1_000;
const maxFiles = 100_000;
const maxModels = 10_000;
const filesPerFolder = 100;
const fileBytes = 200;
const parallelDownloads = 8;
const probeEveryMs = 5;
const columns: readonly Column[] = [
  { title: 'request', align: 'left' },
  { title: 'items', align: 'right' },
  { title: 'median ms', align: 'right' },
  { title: 'slowest ms', align: 'right' },
  { title: 'longest stall ms', align: 'right' },
  { title: 'peak MB, first round', align: 'right' },
  { title: 'peak MB, last round', align: 'right' },
];

/** Plans and lists of a large store, over HTTP. Each scenario has a hub, a store and a hive of its own. */
export const storeBench = defineBench({
  name: 'store',
  title: 'Plans and lists',
  options: {
    files: count(10_000, maxFiles, 'files in the tree that is planned'),
    models: count(1_000, maxModels, 'models in the store that is listed'),
    rounds: rounds(9),
  },
  async run({ options: { files, models, rounds }, folder, signal, log }): Promise<StoreResult[]> {
    const results: StoreResult[] = [];
    for (const scenario of Object.keys(titles) as StoreScenario[]) {
      log(`${scenario}: ${titles[scenario]}`);
      const items = scenario.startsWith('plan') ? files : models;
      results.push(await runScenario({ scenario, items, rounds, folder: join(folder, scenario), signal }));
    }
    return results;
  },
  report: (results, { rounds }) => storeReport(results, rounds),
});

export function storeReport(
  results: readonly StoreResult[],
  rounds: number,
): { sections: string[]; failures: string[] } {
  const medianMs = ({ samples }: StoreResult): number => median(samples.map(({ ms }) => ms));
  const verdicts = results.map((result) => atMost(`${result.scenario}, median ms`, targetMs, medianMs(result)));
  const format = (value: number | null): string => value?.toFixed(0) ?? '-';
  const rows = results.map((result) => [
    titles[result.scenario],
    String(result.items),
    format(medianMs(result)),
    format(Math.max(...result.samples.map(({ ms }) => ms))),
    format(Math.max(...result.samples.map(({ stallMs }) => stallMs))),
    format(result.firstPeakMb),
    format(result.lastPeakMb),
  ]);
  return {
    sections: [
      `Medians of ${rounds} rounds after a discarded one.`,
      markdownTable(columns, rows),
      verdictTable(verdicts),
    ],
    failures: failuresOf('store', [], verdicts),
  };
}

interface ScenarioOptions {
  readonly scenario: StoreScenario;
  readonly items: number;
  readonly rounds: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

async function runScenario({ scenario, items, rounds, folder, signal }: ScenarioOptions): Promise<StoreResult> {
  await mkdir(folder);
  const hub = await startHub();
  let hive: HiveDaemon | null = null;
  try {
    hive = await startHive({
      folder,
      hubUrl: hub.url,
      args: ['--max-concurrent-downloads', String(parallelDownloads)],
    });
    const request = await prepare[scenario](hub, hive, items, signal);
    const samples: StoreSample[] = [];
    let firstPeakMb: number | null = null;
    for (let round = 0; round <= rounds; round += 1) {
      const sample = await measure(hive, request, signal);
      if (round === 0) firstPeakMb = await hive.peakMb();
      else samples.push(sample);
    }
    return { scenario, items, samples, firstPeakMb, lastPeakMb: await hive.peakMb() };
  } finally {
    await hive?.stop();
    await hub.close();
  }
}

type Request = () => Promise<void>;
type Prepare = (hub: TestHub, hive: HiveDaemon, items: number, signal: AbortSignal) => Promise<Request>;

const prepare: Readonly<Record<StoreScenario, Prepare>> = {
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
    for (let seed = 0; seed < models; seed += 1) {
      hub.addRepo({ id: `bench/model-${seed}`, files: { 'model.gguf': { size: fileBytes, seed } } });
    }
    const download = async () => {
      for (let model = refs.pop(); model !== undefined; model = refs.pop())
        await hive.runJob({ operation: 'model_download', model }, signal);
    };
    await Promise.all(Array.from({ length: parallelDownloads }, download));
    return () => list(hive, models, signal);
  },
  'list-found': async (_, hive, models, signal) => {
    for (let index = 0; index < models; index += 1) await putModel(hive.modelsDir, index);
    return () => list(hive, models, signal);
  },
};

function addTree(hub: TestHub, files: number) {
  const paths = Array.from({ length: files }, (_, index) => `f${Math.floor(index / filesPerFolder)}/${index}.json`);
  const content = Object.fromEntries(paths.map((path, seed) => [path, { size: fileBytes, seed }]));
  return hub.addRepo({ id: 'bench/tree', files: content }).files;
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

async function plan(hive: HiveDaemon, files: number, presentBytes: number, signal: AbortSignal): Promise<void> {
  const text = await hive.runJob({ operation: 'model_plan', model: 'hf:bench/tree::include=*' }, signal);
  const data =
    /^event: data\n(?:id: .*\n)?data: (.*)$/m.exec(text)?.[1] ?? /^data: (\{"action":"model_plan".*)$/m.exec(text)?.[1];
  const { payload } = JSON.parse(data ?? '{}') as { payload?: { files: unknown[]; present_bytes: number } };
  if (payload?.files.length !== files || payload.present_bytes !== presentBytes) throw new Error('the plan is wrong');
}

async function list(hive: HiveDaemon, models: number, signal: AbortSignal): Promise<void> {
  const body = JSON.parse(await hive.get('/v2/models', signal)) as { models: unknown[]; problems: unknown[] };
  if (body.models.length !== models || body.problems.length > 0) throw new Error('the list is wrong');
}

async function measure(hive: HiveDaemon, request: Request, signal: AbortSignal): Promise<StoreSample> {
  const done = new AbortController();
  const health = probeHealth(hive, probeEveryMs, AbortSignal.any([signal, done.signal]));
  const startedMs = performance.now();
  await request().finally(() => done.abort());
  const ms = performance.now() - startedMs;
  return { ms, stallMs: (await health).longestMs };
}
