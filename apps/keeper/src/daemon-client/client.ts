import {
  type CancelledDownload,
  type CancelledJob,
  type Download,
  type DownloadPatch,
  type DownloadStatus,
  type FleetDoctor,
  type FleetRepo,
  type FoundModels,
  type HiveInfo,
  hiveRoutes,
  type Job,
  type JobAccepted,
  type ModelDetail,
  type PartialChoice,
  pathOf,
  type QueenOperation,
  queenRoutes,
  type Route,
} from '@rbee/contract';
import type { Removed } from '../results.ts';
import { type Daemon, type DaemonAddress, exchange, newRequestId, unexpected } from './exchange.ts';
import { createListClient, type ListClient } from './list-client.ts';
import { refusalOf } from './refusal.ts';

/** Where to open a stream of the queen, and with which headers. */
export interface StreamTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface ClearQuery {
  readonly status?: DownloadStatus;
  /** A duration: only downloads that ended longer ago. */
  readonly olderThan?: string;
}

/**
 * Typed calls to one queen. Every call checks the response against the contract and rejects with an `RbeeError` (the
 * queen's own error), a `KeeperError` (`QUEEN_UNREACHABLE`, `ANSWER_UNEXPECTED`) or the signal's reason.
 */
export interface QueenClient extends ListClient {
  /** Whether it sends a token. */
  readonly hasToken: boolean;
  /** Checks that the queen responds, without a token. `date` is the time by its clock, if it sends one. */
  greet(signal: AbortSignal): Promise<{ readonly date: string | null }>;
  /** Whether it has a page for people at its root. */
  hasPage(signal: AbortSignal): Promise<boolean>;
  /** Has one hive or all of them check hub access and disk. Takes up to 25 s. */
  doctor(hive: string | undefined, signal: AbortSignal): Promise<FleetDoctor>;
  /** What a ref and its repo have, and which hives, or one, have it or have room for it. */
  repo(ref: string, hive: string | undefined, signal: AbortSignal): Promise<FleetRepo>;
  search(words: string, limit: number, signal: AbortSignal): Promise<FoundModels>;
  /** A model of one hive, with its files. */
  model(id: string, hive: string, signal: AbortSignal): Promise<ModelDetail>;
  download(id: string, signal: AbortSignal): Promise<Download>;
  /** Resolves when its bytes have stopped. */
  pauseDownload(id: string, signal: AbortSignal): Promise<Download>;
  resumeDownload(id: string, signal: AbortSignal): Promise<Download>;
  patchDownload(id: string, patch: DownloadPatch, signal: AbortSignal): Promise<Download>;
  /** Starts a new job and a new download in its place. */
  retryDownload(id: string, signal: AbortSignal): Promise<JobAccepted>;
  /** Cancels every job that waits for it; resolves when its bytes have stopped. */
  cancelDownload(id: string, partial: PartialChoice, signal: AbortSignal): Promise<CancelledDownload>;
  clearDownloads(query: ClearQuery, signal: AbortSignal): Promise<Removed>;
  job(id: string, signal: AbortSignal): Promise<Job>;
  startJob(operation: QueenOperation, signal: AbortSignal): Promise<JobAccepted>;
  cancelJob(id: string, partial: PartialChoice, signal: AbortSignal): Promise<CancelledJob>;
  /** Bytes per second; null is unlimited. Applies to running downloads too. */
  limitHive(hive: string, maxBandwidth: number | null, signal: AbortSignal): Promise<void>;
  stream(route: typeof queenRoutes.streamJob | typeof queenRoutes.streamDownload, id: string): StreamTarget;
  /** One endless stream of every download in the fleet. */
  fleetStream(): StreamTarget;
}

/** @param requestId identifies the command in the logs of every daemon involved */
export function createQueenClient(address: DaemonAddress, requestId = newRequestId()): QueenClient {
  const at: Daemon = { ...address, daemon: 'queen' };
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
    async hasPage(signal) {
      const { status } = await exchange(at, { method: 'GET', path: '/', requestId, signal });
      return status === 200;
    },
    doctor: (hive, signal) => call(queenRoutes.doctor, { query: hive === undefined ? {} : { hive_id: hive }, signal }),
    repo: (ref, hive, signal) =>
      call(queenRoutes.getRepo, { query: { ref, ...(hive === undefined ? {} : { hive_id: hive }) }, signal }),
    search: (q, limit, signal) => call(queenRoutes.search, { query: { q, limit: String(limit) }, signal }),
    model: (id, hive, signal) => call(queenRoutes.getModel, { ...withId(id, signal), query: { hive_id: hive } }),
    download: (id, signal) => call(queenRoutes.getDownload, withId(id, signal)),
    pauseDownload: (id, signal) => call(queenRoutes.pauseDownload, withId(id, signal)),
    resumeDownload: (id, signal) => call(queenRoutes.resumeDownload, withId(id, signal)),
    patchDownload: (id, patch, signal) => call(queenRoutes.patchDownload, { ...withId(id, signal), body: patch }),
    retryDownload: (id, signal) => call(queenRoutes.retryDownload, withId(id, signal)),
    cancelDownload: (id, partial, signal) =>
      call(queenRoutes.cancelDownload, { ...withId(id, signal), query: { partial } }),
    clearDownloads({ status, olderThan }, signal) {
      const query = { ...(status ? { status } : {}), ...(olderThan ? { older_than: olderThan } : {}) };
      return call(queenRoutes.clearDownloads, { query, signal });
    },
    job: (id, signal) => call(queenRoutes.getJob, withId(id, signal)),
    startJob: (operation, signal) => call(queenRoutes.createJob, { body: operation, signal }),
    cancelJob: (id, partial, signal) => call(queenRoutes.cancelJob, { ...withId(id, signal), query: { partial } }),
    async limitHive(hive, maxBandwidth, signal) {
      const request = { method: 'PATCH', path: `/v1/hives/${encodeURIComponent(hive)}`, requestId, signal } as const;
      const { status, body } = await exchange(at, { ...request, body: { max_bandwidth: maxBandwidth } });
      if (status < 200 || status > 299) throw refusalOf({ ...at, status, body, requestId });
    },
    stream: (route: Route, id) => streamAt(pathOf(route, { id })),
    fleetStream: () => streamAt('/v1/downloads/stream'),
  };
}

/** A hive's own info. The keeper requests it only from a hive that it started itself. */
export function hiveInfo(address: DaemonAddress, signal: AbortSignal): Promise<HiveInfo> {
  return createCaller({ ...address, requestId: newRequestId(), daemon: 'hive' })(hiveRoutes.info, { signal });
}

interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** The body of a route's success response. */
type ResponseOf<R extends Route> = R extends { success: { body: { parse(input: unknown): infer T } } } ? T : never;
type JsonRoute = Route & { readonly success: NonNullable<Route['success']> };

/** Calls a route and checks the response against its schema. */
type Caller = <R extends JsonRoute>(route: R, options: CallOptions) => Promise<ResponseOf<R>>;

function createCaller(options: Daemon & { readonly requestId: string }): Caller {
  return async (route, { params, ...call }) => {
    const { requestId } = options;
    const request = { ...call, method: route.method, path: pathOf(route, params), requestId };
    const { status, body } = await exchange(options, request);
    if (status < 200 || status > 299) throw refusalOf({ ...options, status, body, requestId });
    const parsed = route.success.body.safeParse(body);
    if (!parsed.success) throw unexpected(options, `invalid response to ${route.method} ${route.path}`);
    // The schema belongs to the route, which the compiler cannot follow through a generic parameter.
    return parsed.data as ResponseOf<typeof route>;
  };
}
