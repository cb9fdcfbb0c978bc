import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Service, startService } from '../process/service.ts';

const programs = {
  hive: fileURLToPath(new URL('../../../apps/hive/bin/rbee-hive.js', import.meta.url)),
  queen: fileURLToPath(new URL('../../../apps/queen/bin/rbee-queen.js', import.meta.url)),
};
const bytesPerKibibyte = 1024;
const bytesPerMb = 1e6;
const onlineTimeoutMs = 20_000;
const pollMs = 50;

/** A daemon in a process of its own. */
export interface LoadDaemon {
  readonly name: string;
  readonly url: string;
  peakMb(): Promise<number | null>;
  stop(): Promise<void>;
}

export interface LoadFleet {
  readonly queen: LoadDaemon;
  /** The second is limited to 1 MB/s. */
  readonly hives: readonly [LoadDaemon, LoadDaemon];
  stop(): Promise<void>;
}

/** A queen and two hives, with settings as they are but for what is measured. @throws Error where one does not start */
export async function startLoadFleet(folder: string, hubUrl: string, downloads: number): Promise<LoadFleet> {
  const started: LoadDaemon[] = [];
  const stop = async () => void (await Promise.all(started.map((daemon) => daemon.stop())));
  const start = async (kind: 'hive' | 'queen', name: string, args: readonly string[]) => {
    const own = ['--port', '0', '--id', name, '--state-dir', join(folder, name, 'state')];
    const daemon = await toDaemon(name, await startService(process.execPath, [programs[kind], ...own, ...args]));
    started.push(daemon);
    return daemon;
  };
  try {
    const queen = await start('queen', 'queen', []);
    const hive = (name: string, more: readonly string[]) =>
      start('hive', name, [
        ...['--queen-url', queen.url, '--hf-endpoint', hubUrl, '--models-dir', join(folder, name, 'hub')],
        ...['--allow-private-sources', '--max-concurrent-downloads', String(downloads), ...more],
      ]);
    const hives = [await hive('hive', []), await hive('limited', ['--max-bandwidth', '1MB/s'])] as const;
    await untilOnline(queen.url, hives.length);
    return { queen, hives: [...hives], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function toDaemon(name: string, service: Service): Promise<LoadDaemon> {
  try {
    const line = await service.waitForLine(/"msg":"listening"/);
    const url = String((JSON.parse(line) as { url?: string }).url);
    return { name, url, peakMb: () => peakMbOf(service.pid), stop: () => service.stop() };
  } catch (error) {
    await service.stop();
    throw error;
  }
}

async function untilOnline(queenUrl: string, count: number): Promise<void> {
  const deadlineMs = performance.now() + onlineTimeoutMs;
  while (performance.now() < deadlineMs) {
    const { hives } = (await (await fetch(`${queenUrl}/v1/hives`)).json()) as { hives: { online: boolean }[] };
    if (hives.filter(({ online }) => online).length === count) return;
    await delay(pollMs);
  }
  throw new Error('the hives did not come to the queen');
}

async function peakMbOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : (Number(kibibytes) * bytesPerKibibyte) / bytesPerMb;
}
