import { setTimeout as delay } from 'node:timers/promises';
import { ERROR_CODES } from '@rbee/contract';
import { startHub, type TestHub } from '@rbee/testing';
import { Agent, type Dispatcher, request } from 'undici';
import { type BenchRun, defineBench } from '../define-bench.ts';
import { count, type ValuesOf } from '../options.ts';
import { type Daemon, type HiveDaemon, probeHealth, startHive, startQueen } from '../process/daemons.ts';
import { type Column, markdownTable } from '../table.ts';

/** Responses that are alike. */
interface ResponseCount {
  readonly status: number;
  /** Of the error body; null for a success, `none` for a failure without one. */
  readonly code: string | null;
  readonly count: number;
}

interface DaemonLoad {
  readonly name: string;
  /** null where the system does not report it. */
  readonly peakMb: number | null;
  /** Of `GET /health`, which waits for the event loop alone. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

export interface LoadResult {
  readonly responses: readonly ResponseCount[];
  /** Requests without a response. */
  readonly broken: number;
  /** How many of the first downloads have which status afterwards. */
  readonly downloads: Readonly<Record<string, number>>;
  readonly daemons: readonly DaemonLoad[];
}

const maxClients = 2_000;
const maxSeconds = 600;
const maxDownloads = 200;
const largeBytes = 64 * 2 ** 20;
/** Slow enough for the downloads to outlast the run. */
const bytesPerSecondEach = 4e5;
const smallModels = 50;
const smallBytes = 2_000;
const probeEveryMs = 10;
const pollMs = 100;
const accepted = 202;

const options = {
  clients: count(200, maxClients, 'that create jobs in parallel'),
  seconds: count(10, maxSeconds, 'for how long they do'),
  downloads: count(20, maxDownloads, 'that run in that time'),
};
type Options = ValuesOf<typeof options>;

/** A queen and a hive under load: many clients create jobs while downloads run. */
export const loadBench = defineBench({
  name: 'load',
  title: 'A fleet under load',
  packages: ['undici'],
  options,
  run: runLoad,
  report: loadReport,
});

export function loadReport(result: LoadResult, { clients, seconds, downloads }: Options) {
  const responseColumns: Column[] = [
    { title: 'status', align: 'right' },
    { title: 'code', align: 'left' },
    { title: 'responses', align: 'right' },
  ];
  const daemonColumns = ['peak MB', 'health, median ms', 'p99 ms', 'longest ms'].map(
    (title): Column => ({ title, align: 'right' }),
  );
  const statuses = Object.entries(result.downloads).map(([status, count]) => `${count} ${status}`);
  return {
    sections: [
      `${clients} clients create jobs at a queen for ${seconds} s while ${downloads} downloads run on a hive.`,
      markdownTable(
        responseColumns,
        result.responses.map(({ status, code, count }) => [String(status), code ?? '-', String(count)]),
      ),
      `Broken requests: ${result.broken}. The downloads afterwards: ${statuses.join(', ')}.`,
      markdownTable(
        [{ title: 'daemon', align: 'left' }, ...daemonColumns],
        result.daemons.map(({ name, peakMb, medianMs, p99Ms, longestMs }) => [
          name,
          ...[peakMb, medianMs, p99Ms, longestMs].map((value) => value?.toFixed(1) ?? '-'),
        ]),
      ),
    ],
    failures: failuresOfLoad(result),
  };
}

function failuresOfLoad({ responses, broken, downloads }: LoadResult): string[] {
  const unknown = responses.filter((response) => !isOfContract(response));
  const { failed = 0 } = downloads;
  return [
    ...unknown.map(({ status, code, count }) => `load: ${count} responses with status ${status} and code ${code}`),
    ...(broken === 0 ? [] : [`load: ${broken} requests broke`]),
    ...(failed === 0 ? [] : [`load: ${failed} of the downloads failed`]),
  ];
}

function isOfContract({ status, code }: ResponseCount): boolean {
  if (code === null) return status === accepted;
  return Object.entries<{ http: number }>(ERROR_CODES).some(([known, { http }]) => known === code && http === status);
}

async function runLoad({ options, folder, signal }: BenchRun<Options>): Promise<LoadResult> {
  const hub = await startHub({ bytesPerSecond: bytesPerSecondEach });
  const daemons: (Daemon | HiveDaemon)[] = [];
  try {
    const queen = await startQueen(folder);
    daemons.push(queen);
    const args = ['--queen-url', queen.url, '--max-concurrent-downloads', String(options.downloads)];
    const hive = await startHive({ folder, hubUrl: hub.url, args });
    daemons.push(hive);
    await isOnline(queen, signal);
    addModels(hub, options.downloads);
    const ids = await startDownloads(queen, options.downloads, signal);
    const done = new AbortController();
    const probing = AbortSignal.any([signal, done.signal]);
    const loads = [
      { name: 'queen', daemon: queen },
      { name: 'hive', daemon: hive },
    ].map(async ({ name, daemon }): Promise<DaemonLoad> => {
      const health = await probeHealth(daemon, probeEveryMs, probing);
      return { name, peakMb: await daemon.peakMb(), ...health };
    });
    const created = await createJobs(queen.url, options, signal).finally(() => done.abort());
    return { ...created, downloads: await statusesOf(queen, ids, signal), daemons: await Promise.all(loads) };
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await hub.close();
  }
}

async function isOnline(queen: Daemon, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { hives } = JSON.parse(await queen.get('/v1/hives', signal)) as { hives: { online: boolean }[] };
    if (hives.some(({ online }) => online)) return;
    await delay(pollMs, null, { signal });
  }
}

const largeRef = (index: number) => `hf:bench/large-${index}::file=model.gguf`;
const smallRef = (index: number) => `hf:bench/small-${index}::file=model.gguf`;

function addModels(hub: TestHub, downloads: number): void {
  for (let seed = 0; seed < downloads; seed += 1) {
    hub.addRepo({ id: `bench/large-${seed}`, files: { 'model.gguf': { size: largeBytes, seed } } });
  }
  for (let seed = 0; seed < smallModels; seed += 1) {
    hub.addRepo({ id: `bench/small-${seed}`, files: { 'model.gguf': { size: smallBytes, seed } } });
  }
}

/** Resolves with the ids of the downloads when all of them receive bytes. */
async function startDownloads(queen: Daemon, count: number, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const body = JSON.stringify({ operation: 'model_download', model: largeRef(index) });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${queen.url}/v1/jobs`, { method: 'POST', headers, body, signal });
    const { download_id } = (await response.json()) as { download_id?: string };
    if (download_id === undefined) throw new Error(`a download was rejected with ${response.status}`);
    ids.push(download_id);
  }
  while ((await statusesOf(queen, ids, signal))['downloading'] !== count) await delay(pollMs, null, { signal });
  return ids;
}

async function statusesOf(queen: Daemon, ids: readonly string[], signal: AbortSignal): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const id of ids) {
    const { status } = JSON.parse(await queen.get(`/v1/downloads/${id}`, signal)) as { status: string };
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Each client takes turns between a new download, one that runs already, and a list. */
async function createJobs(url: string, { clients, seconds }: Options, signal: AbortSignal) {
  const counts = new Map<string, ResponseCount>();
  let broken = 0;
  const bodies = Array.from({ length: smallModels }, (_, index) => [
    { operation: 'model_download', model: smallRef(index) },
    { operation: 'model_download', model: largeRef(0) },
    { operation: 'model_list' },
  ]).flat();
  const dispatcher = new Agent({ connections: clients });
  const untilMs = performance.now() + seconds * 1_000;
  const client = async (_: unknown, first: number): Promise<void> => {
    for (let turn = first; performance.now() < untilMs; turn += 1) {
      const response = await post(`${url}/v1/jobs`, bodies[turn % bodies.length] ?? {}, dispatcher, signal);
      if (response === null) {
        broken += 1;
        continue;
      }
      const key = `${response.status} ${response.code}`;
      counts.set(key, { ...response, count: (counts.get(key)?.count ?? 0) + 1 });
    }
  };
  await Promise.all(Array.from({ length: clients }, client)).finally(() => dispatcher.destroy());
  const responses = [...counts.values()].sort((a, b) => a.status - b.status || b.count - a.count);
  return { responses, broken };
}

/** null where no response comes. */
async function post(url: string, body: object, dispatcher: Dispatcher, signal: AbortSignal) {
  try {
    const headers = { 'content-type': 'application/json' };
    const response = await request(url, { method: 'POST', headers, body: JSON.stringify(body), dispatcher, signal });
    const text = await response.body.text();
    return { status: response.statusCode, code: response.statusCode < 300 ? null : codeOf(text) };
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

function codeOf(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: { code?: string } }).error?.code ?? 'none');
  } catch {
    return 'none';
  }
}
