import {
  type CancelledJob,
  type Download,
  type DownloadStatus,
  type FleetDoctor,
  type HiveInfo,
  hiveRoutes,
  type Job,
  type JobAccepted,
  type PartialChoice,
  pathOf,
  type QueenOperation,
  queenRoutes,
  type Route,
} from '@rbee/contract';
import type { Removed } from '../answers.ts';
import { type CallOptions, createCaller } from './call.ts';
import { type AskedDaemon, type DaemonAddress, exchange } from './exchange.ts';
import { createListClient, type ListClient } from './list-client.ts';
import { refusalOf } from './refusal.ts';
import { newRequestId } from './request-id.ts';

/** What it takes to open a stream of the queen. */
export interface StreamTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
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
export interface QueenClient extends ListClient {
  /** Whether it sends a token. */
  readonly hasToken: boolean;
  /** Whether she is there, which needs no token; and the time by her clock, where she tells it. */
  greet(signal: AbortSignal): Promise<{ readonly date: string | null }>;
  /** What the hives, or one of them, find on their way to the hub and of their disks. Takes up to 25 s. */
  doctor(hive: string | undefined, signal: AbortSignal): Promise<FleetDoctor>;
  download(id: string, signal: AbortSignal): Promise<Download>;
  /** Answers when its bytes have stopped. */
  pauseDownload(id: string, signal: AbortSignal): Promise<Download>;
  resumeDownload(id: string, signal: AbortSignal): Promise<Download>;
  /** Starts a new job and a new download in its place. */
  retryDownload(id: string, signal: AbortSignal): Promise<JobAccepted>;
  clearDownloads(query: ClearQuery, signal: AbortSignal): Promise<Removed>;
  job(id: string, signal: AbortSignal): Promise<Job>;
  startJob(operation: QueenOperation, signal: AbortSignal): Promise<JobAccepted>;
  cancelJob(id: string, partial: PartialChoice, signal: AbortSignal): Promise<CancelledJob>;
  /** Bytes per second; null is unlimited. Takes effect on what runs. */
  limitHive(hive: string, maxBandwidth: number | null, signal: AbortSignal): Promise<void>;
  stream(route: typeof queenRoutes.streamJob | typeof queenRoutes.streamDownload, id: string): StreamTarget;
  /** Every download of the fleet, in one stream that does not end. */
  fleetStream(): StreamTarget;
}

/** @param requestId of the command that the calls are made for: it is in the log of every daemon on the way */
export function createQueenClient(address: DaemonAddress, requestId = newRequestId()): QueenClient {
  const at: AskedDaemon = { ...address, daemon: 'queen' };
  const call = createCaller({ ...at, requestId });
  const withId = (id: string, signal: AbortSignal): CallOptions => ({ params: { id }, signal });
  const streamAt = (path: string): StreamTarget => ({
    url: `${address.url}${path}`,
    headers: {
      'x-request-id': requestId,
      ...(address.token === null ? {} : { authorization: `Bearer ${address.token}` }),
    },
  });
  return {
    ...createListClient(address, requestId),
    hasToken: address.token !== null,
    async greet(signal) {
      const { status, body, date } = await exchange(at, {
        method: 'GET',
        path: pathOf(queenRoutes.health),
        requestId,
        signal,
      });
      if (status !== 200) throw refusalOf({ ...at, status, body, requestId });
      return { date };
    },
    doctor: (hive, signal) => call(queenRoutes.doctor, { query: hive === undefined ? {} : { hive_id: hive }, signal }),
    download: (id, signal) => call(queenRoutes.getDownload, withId(id, signal)),
    pauseDownload: (id, signal) => call(queenRoutes.pauseDownload, withId(id, signal)),
    resumeDownload: (id, signal) => call(queenRoutes.resumeDownload, withId(id, signal)),
    retryDownload: (id, signal) => call(queenRoutes.retryDownload, withId(id, signal)),
    clearDownloads({ status, olderThan }, signal) {
      const query = { ...(status ? { status } : {}), ...(olderThan ? { older_than: olderThan } : {}) };
      return call(queenRoutes.clearDownloads, { query, signal });
    },
    job: (id, signal) => call(queenRoutes.getJob, withId(id, signal)),
    startJob: (operation, signal) => call(queenRoutes.createJob, { body: operation, signal }),
    cancelJob: (id, partial, signal) => call(queenRoutes.cancelJob, { ...withId(id, signal), query: { partial } }),
    async limitHive(hive, maxBandwidth, signal) {
      const asked = { method: 'PATCH', path: `/v1/hives/${encodeURIComponent(hive)}`, requestId, signal } as const;
      const { status, body } = await exchange(at, { ...asked, body: { max_bandwidth: maxBandwidth } });
      if (status < 200 || status > 299) throw refusalOf({ ...at, status, body, requestId });
    },
    stream: (route: Route, id) => streamAt(pathOf(route, { id })),
    fleetStream: () => streamAt('/v1/downloads/stream'),
  };
}

/** What a hive says of itself. The keeper asks only the hive that it runs itself. */
export function hiveInfo(address: DaemonAddress, signal: AbortSignal): Promise<HiveInfo> {
  return createCaller({ ...address, requestId: newRequestId(), daemon: 'hive' })(hiveRoutes.info, { signal });
}
