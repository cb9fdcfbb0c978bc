import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Service, startService } from './service.ts';

const program = fileURLToPath(new URL('../../../apps/hive/bin/rbee-hive.js', import.meta.url));
const bytesPerKibibyte = 1024;
const bytesPerMb = 1e6;

/** A hive in a process of its own. */
export interface BenchHive {
  readonly modelsDir: string;
  /** Runs a job to its end; the answer is the text of its stream. @throws Error where it does not succeed */
  runJob(operation: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string>;
  get(path: string, signal: AbortSignal): Promise<string>;
  /** The most memory it has held; null where the system does not tell. */
  peakMb(): Promise<number | null>;
  stop(): Promise<void>;
}

/** @param env settings of the hive, which sees none of the user's. */
export async function startBenchHive(
  folder: string,
  hubUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchHive> {
  const modelsDir = join(folder, 'hub');
  const args = [
    ...['--port', '0', '--id', 'bench', '--hf-endpoint', hubUrl, '--models-dir', modelsDir],
    ...['--state-dir', join(folder, 'state'), '--allow-private-sources', '--max-concurrent-downloads', '8'],
  ];
  const service = await startService(process.execPath, [program, ...args], { HOME: folder, ...env });
  const url = await urlOf(service);
  const get: BenchHive['get'] = async (path, signal) => {
    const answer = await fetch(`${url}${path}`, { signal });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  };
  return {
    modelsDir,
    get,
    async runJob(operation, signal) {
      const body = JSON.stringify(operation);
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/v1/jobs`, { method: 'POST', body, headers, signal });
      const { sse_url } = (await answer.json()) as { sse_url?: string };
      if (sse_url === undefined) throw new Error(`the hive refuses ${body}: ${answer.status}`);
      const text = await get(sse_url, signal);
      if (!/^data: \[DONE\]$/m.test(text)) throw new Error(`${body} ended with ${text.trim().split('\n').at(-1)}`);
      return text;
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
