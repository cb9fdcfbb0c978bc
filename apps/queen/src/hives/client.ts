import {
  type CancelledDownload,
  type CancelledJob,
  type Download,
  type DownloadId,
  type DownloadPatch,
  type FoundModels,
  type HiveDoctor,
  hiveRoutes,
  type Job,
  type JobAccepted,
  type JobId,
  type ModelDetail,
  type ModelId,
  type ModelList,
  type ModelRemoved,
  type Operation,
  type PartialChoice,
  RbeeError,
  type Repo,
  type Route,
  type RunTimeSettings,
  type RunTimeSettingsPatch,
} from '@rbee/contract';
import { type CallOptions, callRoute, PeerError } from '@rbee/daemon';
import type { Dispatcher } from 'undici';
import { cancelByJobs, lacksRoute } from './older-hive.ts';

const TIMEOUT_MS = 10_000;
/** A hive responds to a cancel when the bytes have stopped. A person waits for the response; a late cancel is kept. */
const CANCEL_TIMEOUT_MS = 4_500;
/** A slow hive would hold up the limits of the others. */
const SETTINGS_TIMEOUT_MS = 2_000;
/** Removing many files takes a while. */
const REMOVE_TIMEOUT_MS = 60_000;
/** The doctor of a hive takes at most 20 s. */
const DOCTOR_TIMEOUT_MS = 25_000;

/** Where a hive is. */
export interface HiveAddress {
  readonly hive_id: string;
  readonly hive_url: string;
}

/** One page of the downloads of a hive. */
interface DownloadPage {
  readonly downloads: readonly Download[];
  /** For the next page; null if this is the last. */
  readonly next_cursor: DownloadId | null;
}

/** What is at an address. */
export interface Occupant {
  /** The hive that responds there; null when none does. */
  readonly hiveId: string | null;
  /** Nothing answers, and nothing refuses the connection: it may be the network, or a hive that is too busy. */
  readonly isSilent: boolean;
}

export interface HiveClientDeps {
  readonly dispatcher: Dispatcher;
  readonly token: string | null;
  /** Aborts after that many milliseconds; `AbortSignal.timeout` by default. */
  readonly deadline?: (ms: number) => AbortSignal;
}

/**
 * The requests of a queen to a hive. Each rejects with the hive's own RbeeError or with HIVE_UNAVAILABLE, and within its
 * own timeout, which covers everything from connecting to the last byte of the response.
 */
export interface HiveClient {
  createJob(hive: HiveAddress, operation: Operation, signal?: AbortSignal): Promise<JobAccepted>;
  getJob(hive: HiveAddress, id: JobId): Promise<Job>;
  cancelJob(hive: HiveAddress, id: JobId, partial: PartialChoice): Promise<CancelledJob>;
  cancelDownload(hive: HiveAddress, id: DownloadId, partial: PartialChoice): Promise<CancelledDownload>;
  getDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  pauseDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  resumeDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  patchDownload(hive: HiveAddress, id: DownloadId, patch: DownloadPatch): Promise<Download>;
  retryDownload(hive: HiveAddress, id: DownloadId): Promise<JobAccepted>;
  removeDownload(hive: HiveAddress, id: DownloadId): Promise<{ removed: number }>;
  clearDownloads(hive: HiveAddress, query: Readonly<Record<string, string>>): Promise<{ removed: number }>;
  listDownloads(hive: HiveAddress, query: Readonly<Record<string, string>>, timeoutMs?: number): Promise<DownloadPage>;
  getSettings(hive: HiveAddress): Promise<RunTimeSettings>;
  patchSettings(hive: HiveAddress, patch: RunTimeSettingsPatch): Promise<RunTimeSettings>;
  listModels(hive: HiveAddress, timeoutMs?: number): Promise<ModelList>;
  getModel(hive: HiveAddress, id: ModelId): Promise<ModelDetail>;
  removeModel(hive: HiveAddress, id: ModelId): Promise<ModelRemoved>;
  /** What a ref and its repo have, and how much of it the hive has. */
  repo(hive: HiveAddress, ref: string, timeoutMs: number): Promise<Repo>;
  /** Models of the hive's hub. */
  search(hive: HiveAddress, query: Readonly<Record<string, string>>, timeoutMs: number): Promise<FoundModels>;
  /** What the hive finds when it tests its hub and its disk. */
  doctor(hive: HiveAddress): Promise<HiveDoctor>;
  /** The id of the hive at a URL; null when none responds in time. */
  identify(hiveUrl: string, timeoutMs: number): Promise<string | null>;
  whoIsAt(hiveUrl: string, timeoutMs: number): Promise<Occupant>;
  /** Sent with every request to a hive. */
  readonly headers: Readonly<Record<string, string>>;
}

export function createHiveClient({ dispatcher, token, deadline }: HiveClientDeps): HiveClient {
  const peerAt = (url: string) => ({ url, token, dispatcher, deadline });
  const call = async <R extends Route>(hive: HiveAddress, route: R, options: Partial<CallOptions> = {}) => {
    try {
      return await callRoute(peerAt(hive.hive_url), route, { timeoutMs: TIMEOUT_MS, ...options });
    } catch (error) {
      throw error instanceof PeerError ? unavailable(hive, error) : error;
    }
  };
  const whoIsAt = async (hiveUrl: string, timeoutMs: number): Promise<Occupant> => {
    try {
      return { hiveId: (await callRoute(peerAt(hiveUrl), hiveRoutes.info, { timeoutMs })).hive_id, isSilent: false };
    } catch (error) {
      return { hiveId: null, isSilent: error instanceof PeerError && !error.isAnswer };
    }
  };
  const cancelJob: HiveClient['cancelJob'] = (hive, id, partial) =>
    call(hive, hiveRoutes.cancelJob, { params: { id }, query: { partial }, timeoutMs: CANCEL_TIMEOUT_MS });
  const getDownload: HiveClient['getDownload'] = (hive, id) => call(hive, hiveRoutes.getDownload, { params: { id } });
  return {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    createJob: (hive, body, signal) =>
      call(hive, hiveRoutes.createJob, { body, ...(signal === undefined ? {} : { signal }) }),
    getJob: (hive, id) => call(hive, hiveRoutes.getJob, { params: { id } }),
    cancelJob,
    async cancelDownload(hive, id, partial) {
      const options = { params: { id }, query: { partial }, timeoutMs: CANCEL_TIMEOUT_MS };
      try {
        return await call(hive, hiveRoutes.cancelDownload, options);
      } catch (error) {
        if (!lacksRoute(error)) throw error;
      }
      const requests = {
        listJobs: () => call(hive, hiveRoutes.listJobs),
        cancelJob: (job: JobId) => cancelJob(hive, job, partial),
        getDownload: () => getDownload(hive, id),
      };
      return await cancelByJobs(requests, hive.hive_id, id);
    },
    getDownload,
    pauseDownload: (hive, id) => call(hive, hiveRoutes.pauseDownload, { params: { id } }),
    resumeDownload: (hive, id) => call(hive, hiveRoutes.resumeDownload, { params: { id } }),
    patchDownload: (hive, id, body) => call(hive, hiveRoutes.patchDownload, { params: { id }, body }),
    retryDownload: (hive, id) => call(hive, hiveRoutes.retryDownload, { params: { id } }),
    removeDownload: (hive, id) => call(hive, hiveRoutes.removeDownload, { params: { id } }),
    clearDownloads: (hive, query) => call(hive, hiveRoutes.clearDownloads, { query }),
    listDownloads: (hive, query, timeoutMs = TIMEOUT_MS) => call(hive, hiveRoutes.listDownloads, { query, timeoutMs }),
    getSettings: (hive) => call(hive, hiveRoutes.getSettings, { timeoutMs: SETTINGS_TIMEOUT_MS }),
    patchSettings: (hive, body) => call(hive, hiveRoutes.patchSettings, { body, timeoutMs: SETTINGS_TIMEOUT_MS }),
    listModels: (hive, timeoutMs = TIMEOUT_MS) => call(hive, hiveRoutes.listModels, { timeoutMs }),
    getModel: (hive, id) => call(hive, hiveRoutes.getModel, { params: { id } }),
    removeModel: (hive, id) => call(hive, hiveRoutes.removeModel, { params: { id }, timeoutMs: REMOVE_TIMEOUT_MS }),
    repo: (hive, ref, timeoutMs) => call(hive, hiveRoutes.getRepo, { query: { ref }, timeoutMs }),
    search: (hive, query, timeoutMs) => call(hive, hiveRoutes.search, { query, timeoutMs }),
    doctor: (hive) => call(hive, hiveRoutes.doctor, { timeoutMs: DOCTOR_TIMEOUT_MS }),
    whoIsAt,
    identify: async (hiveUrl, timeoutMs) => (await whoIsAt(hiveUrl, timeoutMs)).hiveId,
  };
}

function unavailable({ hive_id, hive_url }: HiveAddress, { message, hint }: PeerError): RbeeError {
  const advice = hint === null ? "check the hive's log" : `at the queen: ${hint}`;
  return new RbeeError('HIVE_UNAVAILABLE', `the request to the hive ${hive_id} failed: ${message}`, {
    hint: `${advice}; the queen reaches it at ${hive_url}`,
  });
}
