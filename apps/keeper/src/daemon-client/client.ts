import { randomUUID } from 'node:crypto';
import {
  type CancelledJob,
  type Download,
  type DownloadStatus,
  type Hive,
  type HiveInfo,
  hiveRoutes,
  type Job,
  type JobAccepted,
  type PartialChoice,
  pathOf,
  type QueenInfo,
  type QueenOperation,
  queenRoutes,
  type Route,
} from '@rbee/contract';
import { Agent, type Dispatcher } from 'undici';
import type { Removed } from '../answers.ts';
import { type CallOptions, createCaller } from './call.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Pages of a list that are read at most. */
const MAX_PAGES = 10;
const PAGE_SIZE = 1_000;

export interface DaemonAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

/** What it takes to open a stream of the queen. */
export interface StreamTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

interface DownloadQuery {
  readonly status?: DownloadStatus;
  readonly limit?: number;
}

interface ClearQuery {
  readonly status?: DownloadStatus;
  /** A duration: those that ended longer ago. */
  readonly olderThan?: string;
}

/**
 * Typed calls to one queen. Every call checks the answer against the contract and rejects with an `RbeeError` (what the
 * queen answered) or a `KeeperError` (`QUEEN_UNREACHABLE`, `ANSWER_UNEXPECTED`), or with the signal's reason.
 */
export interface QueenClient {
  readonly url: string;
  /** Whether a queen answers, within the time given. Never rejects. */
  answers(timeoutMs: number): Promise<boolean>;
  info(signal: AbortSignal): Promise<QueenInfo>;
  hives(signal: AbortSignal): Promise<Hive[]>;
  downloads(query: DownloadQuery, signal: AbortSignal): Promise<{ downloads: Download[]; more: boolean }>;
  /** Every download's id, newest first. */
  downloadIds(signal: AbortSignal): Promise<string[]>;
  download(id: string, signal: AbortSignal): Promise<Download>;
  /** Answers when its bytes have stopped. */
  pauseDownload(id: string, signal: AbortSignal): Promise<Download>;
  resumeDownload(id: string, signal: AbortSignal): Promise<Download>;
  /** Starts a new job and a new download in its place. */
  retryDownload(id: string, signal: AbortSignal): Promise<JobAccepted>;
  clearDownloads(query: ClearQuery, signal: AbortSignal): Promise<Removed>;
  jobs(signal: AbortSignal): Promise<Job[]>;
  job(id: string, signal: AbortSignal): Promise<Job>;
  startJob(operation: QueenOperation, signal: AbortSignal): Promise<JobAccepted>;
  cancelJob(id: string, partial: PartialChoice, signal: AbortSignal): Promise<CancelledJob>;
  stream(route: typeof queenRoutes.streamJob | typeof queenRoutes.streamDownload, id: string): StreamTarget;
  close(): Promise<void>;
}

export function createQueenClient(address: DaemonAddress, newRequestId: () => string = randomUUID): QueenClient {
  // A stream may be silent between its comments; the follower has a watchdog of its own for that.
  const dispatcher = new Agent({ allowH2: false, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  const call = createCaller({ ...address, dispatcher, newRequestId, daemon: 'queen' });
  const withId = (id: string, signal: AbortSignal): CallOptions => ({ params: { id }, signal });

  async function downloadIds(signal: AbortSignal): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query: Record<string, string> = { limit: String(PAGE_SIZE), ...(cursor === null ? {} : { cursor }) };
      const answer = await call(queenRoutes.listDownloads, { query, signal });
      ids.push(...answer.downloads.map((download) => download.download_id));
      cursor = answer.next_cursor;
      if (cursor === null) break;
    }
    return ids;
  }

  return {
    url: address.url,
    async answers(timeoutMs) {
      const signal = AbortSignal.timeout(timeoutMs);
      return call(queenRoutes.health, { signal }).then(
        () => true,
        () => false,
      );
    },
    info: (signal) => call(queenRoutes.info, { signal }),
    hives: async (signal) => (await call(queenRoutes.listHives, { signal })).hives,
    async downloads({ status, limit }, signal) {
      const query = { ...(status ? { status } : {}), ...(limit ? { limit: String(limit) } : {}) };
      const answer = await call(queenRoutes.listDownloads, { query, signal });
      return { downloads: answer.downloads, more: answer.next_cursor !== null };
    },
    downloadIds,
    download: (id, signal) => call(queenRoutes.getDownload, withId(id, signal)),
    pauseDownload: (id, signal) => call(queenRoutes.pauseDownload, withId(id, signal)),
    resumeDownload: (id, signal) => call(queenRoutes.resumeDownload, withId(id, signal)),
    retryDownload: (id, signal) => call(queenRoutes.retryDownload, withId(id, signal)),
    clearDownloads({ status, olderThan }, signal) {
      const query = { ...(status ? { status } : {}), ...(olderThan ? { older_than: olderThan } : {}) };
      return call(queenRoutes.clearDownloads, { query, signal });
    },
    jobs: async (signal) => (await call(queenRoutes.listJobs, { signal })).jobs,
    job: (id, signal) => call(queenRoutes.getJob, withId(id, signal)),
    startJob: (operation, signal) => call(queenRoutes.createJob, { body: operation, signal }),
    cancelJob: (id, partial, signal) => call(queenRoutes.cancelJob, { ...withId(id, signal), query: { partial } }),
    stream: (route: Route, id) => ({
      url: `${address.url}${pathOf(route, { id })}`,
      headers: address.token === null ? {} : { authorization: `Bearer ${address.token}` },
      dispatcher,
    }),
    close: () => dispatcher.destroy(),
  };
}

/** What a hive says of itself. The keeper asks only the hive that it runs itself. */
export async function hiveInfo(address: DaemonAddress, signal: AbortSignal): Promise<HiveInfo> {
  const dispatcher = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS } });
  try {
    return await createCaller({ ...address, dispatcher, newRequestId: randomUUID, daemon: 'hive' })(hiveRoutes.info, {
      signal,
    });
  } finally {
    await dispatcher.destroy();
  }
}
