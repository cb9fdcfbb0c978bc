import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { percentile } from '../stats.ts';
import { type Service, startService } from './service.ts';

/** A built daemon as a process. The caller stops it. */
export interface Daemon extends Pick<Service, 'stop'> {
  readonly url: string;
  /** @throws Error when the status is not one of success */
  get(path: string, signal: AbortSignal): Promise<string>;
  /** The most memory it has held; null where the system does not report it. */
  peakMb(): Promise<number | null>;
}

export interface HiveDaemon extends Daemon {
  readonly modelsDir: string;
  /** Runs a job to its end; returns the text of its stream. @throws Error when it does not succeed */
  runJob(operation: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string>;
}

export interface HiveOptions {
  /** For its store and its state. */
  readonly folder: string;
  readonly hubUrl: string;
  readonly args?: readonly string[];
  /** Settings. The hive sees none of the user's. */
  readonly env?: Readonly<Record<string, string>>;
}

const bytesPerKibibyte = 1024;
const bytesPerMb = 1e6;
const probeTimeoutMs = 60_000;

export async function startHive({ folder, hubUrl, args = [], env = {} }: HiveOptions): Promise<HiveDaemon> {
  const modelsDir = join(folder, 'hub');
  const own = ['--id', 'bench', '--hf-endpoint', hubUrl, '--models-dir', modelsDir, '--allow-private-sources'];
  const hive = await startDaemon('hive', folder, [...own, ...args], env);
  return {
    ...hive,
    modelsDir,
    async runJob(operation, signal) {
      const body = JSON.stringify(operation);
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${hive.url}/v1/jobs`, { method: 'POST', body, headers, signal });
      const { sse_url } = (await response.json()) as { sse_url?: string };
      if (sse_url === undefined) throw new Error(`the hive rejects ${body}: ${response.status}`);
      const text = await hive.get(sse_url, signal);
      if (!/^data: \[DONE\]$/m.test(text)) throw new Error(`${body} ended with ${text.trim().split('\n').at(-1)}`);
      return text;
    },
  };
}

export const startQueen = (folder: string): Promise<Daemon> => startDaemon('queen', folder, [], {});

/** Measures how long the smallest request takes, again and again until the signal aborts: it waits for the event loop alone. */
export async function probeHealth(daemon: Daemon, pauseMs: number, signal: AbortSignal) {
  const waitsMs: number[] = [];
  while (!signal.aborted) {
    const startedMs = performance.now();
    await daemon.get('/health', AbortSignal.timeout(probeTimeoutMs));
    waitsMs.push(performance.now() - startedMs);
    await delay(pauseMs);
  }
  return { medianMs: percentile(waitsMs, 0.5), p99Ms: percentile(waitsMs, 0.99), longestMs: Math.max(0, ...waitsMs) };
}

async function startDaemon(
  kind: 'hive' | 'queen',
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Daemon> {
  const program = fileURLToPath(new URL(`../../../apps/${kind}/bin/rbee-${kind}.js`, import.meta.url));
  const own = [program, '--port', '0', '--state-dir', join(folder, `${kind}-state`)];
  const service = await startService(process.execPath, [...own, ...args], { HOME: folder, ...env });
  const url = await urlOf(service);
  return {
    url,
    async get(path, signal) {
      const response = await fetch(`${url}${path}`, { signal });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return response.text();
    },
    peakMb: () => peakMbOf(service.pid),
    stop: () => service.stop(),
  };
}

async function urlOf(service: Service): Promise<string> {
  try {
    const line = await service.waitForLine(/"msg":"listening"/);
    return String((JSON.parse(line) as { url?: string }).url);
  } catch (error) {
    await service.stop();
    throw error;
  }
}

async function peakMbOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : (Number(kibibytes) * bytesPerKibibyte) / bytesPerMb;
}
