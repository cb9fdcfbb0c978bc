import {
  type Download,
  downloadSchema,
  type ErrorCode,
  type Job,
  type JobEnd,
  jobSchema,
  type Notice,
  newDownloadId,
  printJobEnd,
} from '@rbee/contract';
import type { Channel, StreamHub } from '@rbee/event-stream';

/** A request as received by the fake queen. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, unknown>;
}

/** A download controlled by the test. */
export interface FakeDownload {
  readonly id: string;
  readonly hive: string;
  readonly channel: Channel;
  readonly snapshot: Download;
  progress(changes: Partial<Download>): void;
  notice(notice: Omit<Notice, 'download_id'>): void;
  complete(path: string): void;
  fail(code: ErrorCode, error: string, more?: { hint?: string; retryable?: boolean }): void;
  cancel(): void;
}

/** The source of the streams, and the stream of all downloads. */
export interface FakeStreams {
  readonly hub: StreamHub;
  readonly fleet: Channel;
}

export interface FakeJob {
  readonly id: string;
  readonly request: Request;
  readonly channel: Channel;
  readonly snapshot: Job;
  readonly downloads: readonly FakeDownload[];
  narrate(action: string, human: string): void;
  data(action: string, payload: Record<string, unknown>): void;
  end(end: JobEnd, code?: ErrorCode): void;
}

const now = () => new Date().toISOString();

function createFakeDownload({ hub, fleet }: FakeStreams, jobId: string, model: string, hive: string): FakeDownload {
  const id = newDownloadId();
  const channel = hub.channel({ mode: 'state' });
  let state = newSnapshot(id, jobId, model, hive);
  const publish = (event: string, data: object, kind: 'state' | 'keep' | 'terminal') => {
    const told = { event, data: JSON.stringify({ orchestrator_id: 'queen-1', hive_id: hive, ...data }) };
    channel.publish(told, kind);
    fleet.publish(told, 'keep');
  };
  const progress = (changes: Partial<Download>) => {
    state = { ...state, ...changes };
    if (state.total) state.percent = Math.floor((state.bytes / state.total) * 1000) / 10;
    publish('progress', state, 'state');
  };
  progress({});
  return {
    id,
    hive,
    channel,
    get snapshot() {
      return state;
    },
    progress,
    notice: (notice) => publish('notice', { download_id: id, ...notice }, 'keep'),
    complete(path) {
      const total = state.total ?? state.bytes;
      state = { ...state, status: 'complete', bytes: total, path, ended_at: now() };
      publish('complete', { download_id: id, bytes: total, total, duration_secs: 1.5, path, sha256: null }, 'terminal');
    },
    fail(code, error, more = {}) {
      state = { ...state, status: 'failed', ended_at: now() };
      const { bytes, total } = state;
      publish('error', { download_id: id, error, code, bytes, total, retryable: false, ...more }, 'terminal');
    },
    cancel() {
      state = { ...state, status: 'cancelled', ended_at: now() };
      const { bytes, total } = state;
      publish('cancelled', { download_id: id, bytes, total, partial: 'kept' }, 'terminal');
    },
  };
}

function newSnapshot(id: string, jobId: string, model: string, hive: string): Download {
  return downloadSchema.parse({
    download_id: id,
    job_id: jobId,
    hive_id: hive,
    model_ref: model,
    status: 'queued',
    bytes: 0,
    total: null,
    percent: null,
    speed_bps: 0,
    eta_secs: null,
    elapsed_secs: 0,
    files_done: 0,
    files_total: 1,
    file: null,
    attempt: 1,
    connections: 0,
    bytes_reused: 0,
    bytes_wasted: 0,
    created_at: now(),
    started_at: null,
    ended_at: null,
    path: null,
    sha256: null,
    partial: null,
    error: null,
    priority: 0,
    max_bandwidth: null,
    retry_of: null,
  });
}

export function createFakeJob(streams: FakeStreams, id: string, request: Request, hives: readonly string[]): FakeJob {
  const channel = streams.hub.channel({ mode: 'log' });
  const model = typeof request.body.model === 'string' ? request.body.model : null;
  const isDownload = request.body.operation === 'model_download';
  const downloads =
    model === null || !isDownload ? [] : hives.map((hive) => createFakeDownload(streams, id, model, hive));
  let state = jobSchema.parse({
    job_id: id,
    operation: request.body.operation,
    state: 'running',
    model,
    sse_url: `/v1/jobs/${id}/stream`,
    created_at: now(),
    ended_at: null,
    downloads: downloads.map(downloadRef),
    error: null,
  });
  const publish = (event: string, data: object) => {
    channel.publish({ event, data: JSON.stringify(data) }, 'keep');
  };
  return {
    id,
    request,
    channel,
    downloads,
    get snapshot() {
      return state;
    },
    narrate: (action, human) =>
      publish('narration', { job_id: id, action, human, actor: 'gpu-1', at: now(), level: 'info' }),
    data: (action, payload) => publish('data', { action, payload }),
    end(end, code = 'DOWNLOAD_FAILED') {
      const error = end.state === 'failed' ? { code, message: end.message, hint: 'look at the disk' } : null;
      state = { ...state, state: end.state, ended_at: now(), error };
      channel.publish({ data: printJobEnd(end) }, 'terminal');
    },
  };
}

export function downloadRef({ id, hive }: FakeDownload) {
  return { hive_id: hive, download_id: id, download_sse_url: `/v1/downloads/${id}/stream` };
}
