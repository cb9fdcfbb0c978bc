import {
  type CancelledJob,
  cancelledJobSchema,
  type Download,
  type DownloadId,
  type DownloadPatch,
  downloadListSchema,
  downloadSchema,
  fromErrorBody,
  type HiveDoctor,
  hiveDoctorSchema,
  hiveInfoSchema,
  hiveRoutes,
  hiveSettingsSchema,
  type JobAccepted,
  type JobId,
  jobAcceptedSchema,
  type ModelDetail,
  type ModelId,
  type ModelList,
  type ModelRemoved,
  modelDetailSchema,
  modelListSchema,
  modelRemovedSchema,
  type Operation,
  type PartialChoice,
  pathOf,
  RbeeError,
  type Route,
  type RunTimeSettings,
  type RunTimeSettingsPatch,
  removedSchema,
} from '@rbee/contract';
import { connectionProblem, requestIdHeader } from '@rbee/daemon';
import { type Dispatcher, request } from 'undici';
import type { z } from 'zod';

const TIMEOUT_MS = 10_000;
/** A cancel is answered when the bytes have stopped, which takes longer than another answer. */
const CANCEL_TIMEOUT_MS = 15_000;
/** A limit that comes late would hold up those of the others. */
const SETTINGS_TIMEOUT_MS = 2_000;
/** Removing many files takes a while. */
const REMOVE_TIMEOUT_MS = 60_000;
/** The largest answer that is read; a list of models is the longest there is. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** A hive examines itself for 20 s at most. */
const DOCTOR_TIMEOUT_MS = 25_000;

/** Where a hive is. */
export interface HiveAddress {
  readonly hive_id: string;
  readonly hive_url: string;
}

export interface HiveClientDeps {
  readonly dispatcher: Dispatcher;
  readonly token: string | null;
  /** Aborts after so many milliseconds. The clock's own where nothing is said. */
  readonly deadline?: (ms: number) => AbortSignal;
}

/**
 * The requests of a queen to a hive. Each rejects with the hive's own RbeeError, or HIVE_UNAVAILABLE, and within a time
 * of its own: that counts from the connecting to the last byte of the answer.
 */
export interface HiveClient {
  createJob(hive: HiveAddress, operation: Operation): Promise<JobAccepted>;
  cancelJob(hive: HiveAddress, id: JobId, partial: PartialChoice): Promise<CancelledJob>;
  getDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  pauseDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  resumeDownload(hive: HiveAddress, id: DownloadId): Promise<Download>;
  patchDownload(hive: HiveAddress, id: DownloadId, patch: DownloadPatch): Promise<Download>;
  retryDownload(hive: HiveAddress, id: DownloadId): Promise<JobAccepted>;
  removeDownload(hive: HiveAddress, id: DownloadId): Promise<{ removed: number }>;
  clearDownloads(hive: HiveAddress, query: Readonly<Record<string, string>>): Promise<{ removed: number }>;
  listDownloads(
    hive: HiveAddress,
    query: Readonly<Record<string, string>>,
    timeoutMs?: number,
  ): Promise<readonly Download[]>;
  getSettings(hive: HiveAddress): Promise<RunTimeSettings>;
  patchSettings(hive: HiveAddress, patch: RunTimeSettingsPatch): Promise<RunTimeSettings>;
  listModels(hive: HiveAddress, timeoutMs?: number): Promise<ModelList>;
  getModel(hive: HiveAddress, id: ModelId): Promise<ModelDetail>;
  removeModel(hive: HiveAddress, id: ModelId): Promise<ModelRemoved>;
  /** What the hive finds when it tests the way to its hub and its disk. */
  doctor(hive: HiveAddress): Promise<HiveDoctor>;
  /** The id of the hive that answers at a URL; null where none does in time. */
  identify(hiveUrl: string, timeoutMs: number): Promise<string | null>;
  /** What every request to a hive carries. */
  readonly headers: Readonly<Record<string, string>>;
}

export function createHiveClient(deps: HiveClientDeps): HiveClient {
  const headers = deps.token === null ? {} : { authorization: `Bearer ${deps.token}` };
  const { dispatcher, deadline = AbortSignal.timeout } = deps;
  const call = <T>(hive: HiveAddress, route: Route, schema: z.ZodType<T>, options: CallOptions = {}) =>
    send({ dispatcher, deadline, headers }, hive, route, schema, options);
  return {
    headers,
    createJob: (hive, operation) => call(hive, hiveRoutes.createJob, jobAcceptedSchema, { body: operation }),
    cancelJob: (hive, id, partial) =>
      call(hive, hiveRoutes.cancelJob, cancelledJobSchema, {
        params: { id },
        query: { partial },
        timeoutMs: CANCEL_TIMEOUT_MS,
      }),
    getDownload: (hive, id) => call(hive, hiveRoutes.getDownload, downloadSchema, { params: { id } }),
    pauseDownload: (hive, id) => call(hive, hiveRoutes.pauseDownload, downloadSchema, { params: { id } }),
    resumeDownload: (hive, id) => call(hive, hiveRoutes.resumeDownload, downloadSchema, { params: { id } }),
    patchDownload: (hive, id, body) => call(hive, hiveRoutes.patchDownload, downloadSchema, { params: { id }, body }),
    retryDownload: (hive, id) => call(hive, hiveRoutes.retryDownload, jobAcceptedSchema, { params: { id } }),
    removeDownload: (hive, id) => call(hive, hiveRoutes.removeDownload, removedSchema, { params: { id } }),
    clearDownloads: (hive, query) => call(hive, hiveRoutes.clearDownloads, removedSchema, { query }),
    listDownloads: async (hive, query, timeoutMs = TIMEOUT_MS) =>
      (await call(hive, hiveRoutes.listDownloads, downloadListSchema, { query, timeoutMs })).downloads,
    getSettings: (hive) => call(hive, hiveRoutes.getSettings, hiveSettingsSchema, { timeoutMs: SETTINGS_TIMEOUT_MS }),
    patchSettings: (hive, body) =>
      call(hive, hiveRoutes.patchSettings, hiveSettingsSchema, { body, timeoutMs: SETTINGS_TIMEOUT_MS }),
    listModels: (hive, timeoutMs = TIMEOUT_MS) => call(hive, hiveRoutes.listModels, modelListSchema, { timeoutMs }),
    getModel: (hive, id) => call(hive, hiveRoutes.getModel, modelDetailSchema, { params: { id } }),
    removeModel: (hive, id) =>
      call(hive, hiveRoutes.removeModel, modelRemovedSchema, { params: { id }, timeoutMs: REMOVE_TIMEOUT_MS }),
    doctor: (hive) => call(hive, hiveRoutes.doctor, hiveDoctorSchema, { timeoutMs: DOCTOR_TIMEOUT_MS }),
    async identify(hive_url, timeoutMs) {
      try {
        const info = await call({ hive_id: hive_url, hive_url }, hiveRoutes.info, hiveInfoSchema, { timeoutMs });
        return info.hive_id;
      } catch {
        return null;
      }
    },
  };
}

interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

async function send<T>(
  deps: { dispatcher: Dispatcher; deadline: (ms: number) => AbortSignal; headers: Readonly<Record<string, string>> },
  hive: HiveAddress,
  route: Route,
  schema: z.ZodType<T>,
  options: CallOptions,
): Promise<T> {
  const { params, query, body, timeoutMs = TIMEOUT_MS } = options;
  const url = new URL(`${hive.hive_url}${pathOf(route, params)}`);
  url.search = new URLSearchParams(query).toString();
  const answer = await reach(hive, () =>
    request(url, {
      method: route.method,
      dispatcher: deps.dispatcher,
      headers: {
        ...deps.headers,
        ...requestIdHeader(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // For connecting too, and for a body that comes drop by drop: the timeouts of headers and body count neither.
      signal: deps.deadline(timeoutMs),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    }),
  );
  const text = await reach(hive, () => readText(answer.body));
  if (answer.statusCode >= 400) throw fromErrorBody(parse(text)) ?? odd(hive, `it answers ${answer.statusCode}`);
  const parsed = schema.safeParse(parse(text));
  if (!parsed.success) throw odd(hive, 'its answer is not of this version');
  return parsed.data;
}

async function reach<T>(hive: HiveAddress, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { what, hint } = connectionProblem(error);
    throw odd(hive, what, hint);
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('its answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function odd(hive: HiveAddress, why: string, hint: string | null = null): RbeeError {
  return new RbeeError('HIVE_UNAVAILABLE', `the hive ${hive.hive_id} cannot be asked: ${why}`, {
    hint: `${hint === null ? "look at the hive's log" : `at the queen: ${hint}`}; the queen reaches it at ${hive.hive_url}`,
  });
}
