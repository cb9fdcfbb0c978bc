import type { Download, DownloadStatus, Hive, Job, QueenInfo } from '@rbee/contract';
import type { ListedModel, ListedPartial, ListedProblem, ModelListing } from '../results.ts';
import { type DaemonAddress, exchange, newRequestId, unexpected } from './exchange.ts';
import { refusalOf } from './refusal.ts';
import { hasShape, listIn, type Shape } from './response-shape.ts';

/** The most pages of a list that are read. */
const MAX_PAGES = 10;
const PAGE_SIZE = 1_000;

/** The queen's paths, written out because the routes of the contract would load every schema. */
export const LIST_PATHS = {
  info: '/v1/info',
  hives: '/v1/hives',
  jobs: '/v1/jobs',
  downloads: '/v1/downloads',
  models: '/v1/models',
} as const;

export const LIST_SHAPES = {
  info: {
    queen_id: 'string',
    version: 'string',
    uptime_secs: 'number',
    hives: 'number',
    hives_online: 'number',
  } satisfies Shape<QueenInfo>,
  hives: {
    hive_id: 'string',
    hive_url: 'string',
    online: 'boolean',
    last_seen_at: 'string?',
    active_downloads: 'number',
    speed_bps: 'number',
    free_bytes: 'number?',
  } satisfies Shape<Hive>,
  jobs: {
    job_id: 'string',
    operation: 'string',
    state: 'string',
    model: 'string?',
    created_at: 'string',
  } satisfies Shape<Job>,
  downloads: {
    download_id: 'string',
    job_id: 'string',
    hive_id: 'string',
    model_ref: 'string',
    status: 'string',
    bytes: 'number',
    total: 'number?',
    percent: 'number?',
    speed_bps: 'number',
    created_at: 'string',
  } satisfies Shape<Download>,
  models: {
    hive_id: 'string',
    model_id: 'string',
    model_ref: 'string',
    bytes: 'number',
    files: 'number',
    path: 'string',
  } satisfies Shape<ListedModel>,
  partials: {
    hive_id: 'string',
    path: 'string',
    origin: 'string?',
    bytes: 'number',
    total: 'number?',
    modified_at: 'string',
  } satisfies Shape<ListedPartial>,
  problems: { hive_id: 'string', path: 'string?', message: 'string' } satisfies Shape<ListedProblem>,
} as const;

interface DownloadQuery {
  readonly status?: DownloadStatus;
  readonly limit?: number;
}

/** The lists of one queen. Rejects as every call of `QueenClient` does. */
export interface ListClient {
  readonly url: string;
  info(signal: AbortSignal): Promise<QueenInfo>;
  hives(signal: AbortSignal): Promise<Hive[]>;
  jobs(signal: AbortSignal): Promise<Job[]>;
  downloads(query: DownloadQuery, signal: AbortSignal): Promise<{ downloads: Download[]; more: boolean }>;
  /** The id of every download, newest first. */
  downloadIds(signal: AbortSignal): Promise<string[]>;
  models(signal: AbortSignal): Promise<ModelListing>;
}

/** @param requestId identifies the command in the logs of every daemon involved */
export function createListClient(address: DaemonAddress, requestId = newRequestId()): ListClient {
  const at = { ...address, daemon: 'queen' as const };

  async function get(path: string, signal: AbortSignal, query: Readonly<Record<string, string>> = {}) {
    const { status, body } = await exchange(at, { method: 'GET', path, query, requestId, signal });
    if (status < 200 || status > 299) throw refusalOf({ ...at, status, body, requestId });
    return body;
  }

  const checked = <T>(body: T | null, path: string): T => {
    if (body === null) throw unexpected(at, `invalid response to GET ${path}`);
    return body;
  };

  async function list<T extends object>(path: string, name: string, shape: Shape<T>, signal: AbortSignal) {
    return checked(listIn(await get(path, signal), name, shape), path);
  }

  async function page(query: Readonly<Record<string, string>>, signal: AbortSignal) {
    const body = await get(LIST_PATHS.downloads, signal, query);
    const downloads = checked(listIn<Download>(body, 'downloads', LIST_SHAPES.downloads), LIST_PATHS.downloads);
    const next = (body as { readonly next_cursor?: unknown }).next_cursor;
    return { downloads, next: typeof next === 'string' ? next : null };
  }

  return {
    url: address.url,
    async info(signal) {
      const body = await get(LIST_PATHS.info, signal);
      return checked(hasShape<QueenInfo>(body, LIST_SHAPES.info) ? body : null, LIST_PATHS.info);
    },
    hives: (signal) => list<Hive>(LIST_PATHS.hives, 'hives', LIST_SHAPES.hives, signal),
    jobs: (signal) => list<Job>(LIST_PATHS.jobs, 'jobs', LIST_SHAPES.jobs, signal),
    async downloads({ status, limit }, signal) {
      const query = { ...(status ? { status } : {}), ...(limit ? { limit: String(limit) } : {}) };
      const { downloads, next } = await page(query, signal);
      return { downloads, more: next !== null };
    },
    async downloadIds(signal) {
      const ids: string[] = [];
      let cursor: string | null = null;
      for (let read = 0; read < MAX_PAGES; read += 1) {
        const { downloads, next } = await page({ limit: String(PAGE_SIZE), ...(cursor ? { cursor } : {}) }, signal);
        ids.push(...downloads.map((download) => download.download_id));
        cursor = next;
        if (cursor === null) break;
      }
      return ids;
    },
    async models(signal) {
      const body = await get(LIST_PATHS.models, signal);
      const read = <T extends object>(name: string, shape: Shape<T>) =>
        checked(listIn(body, name, shape), LIST_PATHS.models);
      return {
        models: read<ListedModel>('models', LIST_SHAPES.models),
        partials: read<ListedPartial>('partials', LIST_SHAPES.partials),
        problems: read<ListedProblem>('problems', LIST_SHAPES.problems),
      };
    },
  };
}
