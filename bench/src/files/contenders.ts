import { join } from 'node:path';
import { startHive } from '../process/daemons.ts';
import { startHelper } from '../process/helper.ts';
import { repo } from './model.ts';

export const contenderNames = ['rbee', 'snapshot', 'eight-at-once', 'one-by-one'] as const;
export type ContenderName = (typeof contenderNames)[number];

/** A hive's default. */
const HIVE_CONNECTIONS = 8;

interface FilesJob {
  readonly hubUrl: string;
  /** Empty, for this run alone. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

interface Fetched {
  /** Without the start of the process. */
  readonly ms: number;
  /** In the layout of the Hugging Face cache. */
  readonly cacheDir: string;
}

export interface Contender {
  readonly title: string;
  fetch(job: FilesJob): Promise<Fetched>;
}

/** Each runs in a new process, without open connections or warm code. */
export const contenders: Readonly<Record<ContenderName, Contender>> = {
  rbee: { title: 'rbee', fetch: (job) => fetchWithHive(job) },
  snapshot: { title: 'snapshotDownload of @huggingface/hub, no digests', fetch: (job) => fetchWithHub(job, null) },
  'eight-at-once': {
    title: 'downloadFileToCacheDir of it, 8 in parallel, no digests',
    fetch: (job) => fetchWithHub(job, HIVE_CONNECTIONS),
  },
  'one-by-one': {
    title: 'rbee with one connection',
    fetch: (job) => fetchWithHive(job, { RBEE_HIVE_MAX_CONNECTIONS: '1' }),
  },
};

async function fetchWithHive({ hubUrl, folder, signal }: FilesJob, env: Readonly<Record<string, string>> = {}) {
  const hive = await startHive({ folder, hubUrl, env });
  try {
    const startedMs = performance.now();
    await hive.runJob({ operation: 'model_download', model: `hf:${repo}::include=*` }, signal);
    return { ms: performance.now() - startedMs, cacheDir: hive.modelsDir };
  } finally {
    await hive.stop();
  }
}

async function fetchWithHub({ hubUrl, folder, signal }: FilesJob, atOnce: number | null): Promise<Fetched> {
  const cacheDir = join(folder, 'hub');
  const client = await startHelper({ script: new URL('../../clients/snapshot.mjs', import.meta.url), signal });
  try {
    const { ms } = (await client.ask({ repo, hubUrl, cacheDir, atOnce })) as { ms: number };
    return { ms, cacheDir };
  } finally {
    await client.stop();
  }
}
