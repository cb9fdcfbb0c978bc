import { join } from 'node:path';
import { startBenchHive } from '../process/bench-hive.ts';
import { startHelper } from '../process/helper.ts';
import { repo } from './model.ts';

export const contenderNames = ['rbee', 'snapshot', 'one-by-one'] as const;
export type ContenderName = (typeof contenderNames)[number];

export interface FilesJob {
  readonly hubUrl: string;
  /** Empty, of this run alone. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

export interface Fetched {
  /** Without the start of the process. */
  readonly ms: number;
  /** In the layout of the Hugging Face cache. */
  readonly cacheDir: string;
}

export interface Contender {
  readonly title: string;
  fetch(job: FilesJob): Promise<Fetched>;
}

/** Each in a new process, which has no open connection and no warm code. */
export const contenders: Readonly<Record<ContenderName, Contender>> = {
  rbee: { title: 'rbee', fetch: (job) => fetchWithHive(job) },
  snapshot: { title: 'snapshotDownload of @huggingface/hub, no digests', fetch: fetchSnapshot },
  'one-by-one': {
    title: 'rbee with one connection',
    fetch: (job) => fetchWithHive(job, { RBEE_HIVE_MAX_CONNECTIONS: '1' }),
  },
};

async function fetchWithHive({ hubUrl, folder, signal }: FilesJob, env?: Readonly<Record<string, string>>) {
  const hive = await startBenchHive(folder, hubUrl, env);
  try {
    const startedMs = performance.now();
    await hive.runJob({ operation: 'model_download', model: `hf:${repo}::include=*` }, signal);
    return { ms: performance.now() - startedMs, cacheDir: hive.modelsDir };
  } finally {
    await hive.stop();
  }
}

async function fetchSnapshot({ hubUrl, folder, signal }: FilesJob): Promise<Fetched> {
  const cacheDir = join(folder, 'hub');
  const client = await startHelper({ script: new URL('../../clients/snapshot.mjs', import.meta.url), signal });
  try {
    const { ms } = (await client.ask({ repo, hubUrl, cacheDir })) as { ms: number };
    return { ms, cacheDir };
  } finally {
    await client.stop();
  }
}
