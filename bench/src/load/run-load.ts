import { setTimeout as delay } from 'node:timers/promises';
import { startHub, type TestHub } from '@rbee/testing';
import autocannon from 'autocannon';
import { median } from '../stats.ts';
import { type LoadDaemon, type LoadFleet, startLoadFleet } from './fleet.ts';
import type { LoadOptions } from './options.ts';
import type { AnswerCount, DaemonLoad, LoadResult } from './results.ts';

const largeBytes = 64 * 2 ** 20;
/** Slow enough for the downloads to outlast the run. */
const connectionBytesPerSecond = 4e5;
const smallModels = 50;
const smallBytes = 2_000;
const probeEveryMs = 10;
const pollMs = 100;
const p99 = 0.99;

type Measured = Omit<LoadResult, 'startedAt' | 'environment'>;

/** Runs downloads on two hives, and has many clients create jobs at their queen meanwhile. */
export async function runLoad(options: LoadOptions, folder: string, signal: AbortSignal): Promise<Measured> {
  const { clients, seconds, downloads } = options;
  const hub = await startHub({ bytesPerSecond: connectionBytesPerSecond });
  let fleet: LoadFleet | null = null;
  try {
    fleet = await startLoadFleet(folder, hub.url, downloads);
    const { queen, hives } = fleet;
    addModels(hub, downloads);
    const large = await startDownloads(fleet, downloads, signal);
    const before = await bytesOf(hives[1], signal);
    const probing = new AbortController();
    const probes = [queen, ...hives].map((daemon) => probe(daemon, AbortSignal.any([signal, probing.signal])));
    const startedMs = performance.now();
    const { answers, broken } = await createJobs(queen.url, options, signal);
    const tookSeconds = (performance.now() - startedMs) / 1_000;
    probing.abort();
    return {
      ...{ clients, seconds, downloads, answers, broken },
      limitedSpeed: ((await bytesOf(hives[1], signal)) - before) / tookSeconds,
      downloadsAfter: await statusesOf(queen.url, large, signal),
      daemons: await Promise.all(probes),
    };
  } finally {
    await fleet?.stop();
    await hub.close();
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

/** Half of them on each hive; resolves when bytes flow. */
async function startDownloads({ queen, hives }: LoadFleet, count: number, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const hive_id = hives[index % hives.length]?.name;
    const body = JSON.stringify({ operation: 'model_download', model: largeRef(index), hive_id });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${queen.url}/v1/jobs`, { method: 'POST', headers, body, signal });
    const { download_id } = (await answer.json()) as { download_id?: string };
    if (download_id === undefined) throw new Error(`a download was refused with ${answer.status}`);
    ids.push(download_id);
  }
  while ((await statusesOf(queen.url, ids, signal))['downloading'] !== count) await delay(pollMs, null, { signal });
  return ids;
}

/** Each client in turn: something new, what runs already, and a list. */
async function createJobs(url: string, { clients, seconds }: LoadOptions, signal: AbortSignal) {
  const counts = new Map<string, AnswerCount>();
  const onResponse = (status: number, body: string) => {
    const code = status < 300 ? null : codeOf(body);
    const key = `${status} ${code}`;
    counts.set(key, { status, code, count: (counts.get(key)?.count ?? 0) + 1 });
  };
  const request = (body: object): autocannon.Request => ({
    method: 'POST',
    path: '/v1/jobs',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    onResponse,
  });
  const requests = Array.from({ length: smallModels }, (_, index) => [
    request({ operation: 'model_download', model: smallRef(index) }),
    request({ operation: 'model_download', model: largeRef(0), hive_id: 'hive' }),
    request({ operation: 'model_list' }),
  ]).flat();
  const { errors, timeouts } = await shoot({ url, connections: clients, duration: seconds, requests }, signal);
  signal.throwIfAborted();
  const answers = [...counts.values()].sort((a, b) => a.status - b.status || b.count - a.count);
  return { answers, broken: errors + timeouts };
}

function shoot(options: autocannon.Options, signal: AbortSignal): Promise<autocannon.Result> {
  const { promise, resolve, reject } = Promise.withResolvers<autocannon.Result>();
  const run = autocannon(options, (error: unknown, result) => (error ? reject(error) : resolve(result)));
  const stop = () => run.stop();
  signal.addEventListener('abort', stop, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', stop));
}

function codeOf(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: { code?: string } }).error?.code ?? 'none');
  } catch {
    // What has no envelope is counted as such.
    return 'none';
  }
}

/** How long the smallest request waits, until the signal aborts. */
async function probe(daemon: LoadDaemon, signal: AbortSignal): Promise<DaemonLoad> {
  const waits: number[] = [];
  while (!signal.aborted) {
    const startedMs = performance.now();
    await (await fetch(`${daemon.url}/health`)).arrayBuffer();
    waits.push(performance.now() - startedMs);
    await delay(probeEveryMs);
  }
  const sorted = waits.sort((a, b) => a - b);
  return {
    name: daemon.name,
    peakMb: await daemon.peakMb(),
    medianMs: median(sorted),
    p99Ms: sorted[Math.floor((sorted.length - 1) * p99)] ?? 0,
    longestMs: sorted.at(-1) ?? 0,
  };
}

async function statusesOf(url: string, ids: readonly string[], signal: AbortSignal): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const id of ids) {
    const { status } = (await (await fetch(`${url}/v1/downloads/${id}`, { signal })).json()) as { status: string };
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Of all downloads of a hive that run. */
async function bytesOf({ url }: LoadDaemon, signal: AbortSignal): Promise<number> {
  const answer = await fetch(`${url}/v2/downloads?status=downloading&limit=200`, { signal });
  const { downloads } = (await answer.json()) as { downloads: { bytes: number }[] };
  return downloads.reduce((sum, { bytes }) => sum + bytes, 0);
}
