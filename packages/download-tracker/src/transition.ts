import type { DownloadId, DownloadStatus, Failure, JobId, Partial as PartialFate, RunningFile } from '@rbee/contract';

/** The state of one download, from which the wire's snapshot is made. Times are Unix milliseconds. */
export interface DownloadState {
  readonly downloadId: DownloadId;
  readonly jobId: JobId;
  readonly hiveId: string;
  readonly modelRef: string;
  readonly status: DownloadStatus;
  readonly bytes: number;
  readonly total: number | null;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly file: string | null;
  /** Files being downloaded; none while nothing works on the download. */
  readonly files: readonly RunningFile[];
  readonly attempt: number;
  readonly connections: number;
  readonly bytesReused: number;
  readonly bytesWasted: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Since it first left the queue, without the time in which its hive did not run. Not by the clock, which may be set. */
  readonly elapsedMs: number;
  readonly path: string | null;
  readonly sha256: string | null;
  readonly partial: PartialFate | null;
  readonly error: Failure | null;
  readonly priority: number;
  /** Bytes per second; null is unlimited. */
  readonly maxBandwidth: number | null;
  readonly retryOf: DownloadId | null;
}

/** The statuses of a download that has not ended. */
export type LiveStatus = Exclude<DownloadStatus, 'complete' | 'failed' | 'cancelled'>;

/** The facts that change while a download runs. */
export interface DownloadUpdate {
  readonly status?: LiveStatus;
  readonly bytes?: number;
  readonly total?: number | null;
  readonly filesDone?: number;
  readonly filesTotal?: number;
  readonly file?: string | null;
  readonly files?: readonly RunningFile[];
  readonly attempt?: number;
  readonly connections?: number;
  readonly bytesReused?: number;
  readonly bytesWasted?: number;
  readonly priority?: number;
  readonly maxBandwidth?: number | null;
}

export type DownloadMove =
  | { readonly type: 'update'; readonly update: DownloadUpdate }
  | { readonly type: 'complete'; readonly path: string; readonly sha256: string | null }
  | { readonly type: 'fail'; readonly failure: Failure }
  | { readonly type: 'cancel'; readonly partial: PartialFate }
  /** What an ended download left on disk is gone. */
  | { readonly type: 'discard' };

/** Legal next statuses. Any other move is a bug in the caller. */
export const LEGAL_MOVES: Readonly<Record<DownloadStatus, readonly DownloadStatus[]>> = {
  queued: ['starting', 'paused', 'failed', 'cancelled'],
  starting: ['downloading', 'verifying', 'paused', 'queued', 'complete', 'failed', 'cancelled'],
  downloading: ['verifying', 'starting', 'paused', 'queued', 'failed', 'cancelled'],
  verifying: ['downloading', 'starting', 'paused', 'queued', 'complete', 'failed', 'cancelled'],
  paused: ['queued', 'failed', 'cancelled'],
  complete: [],
  failed: [],
  cancelled: [],
};

/** Whether the status is final. */
export function isEnded(status: DownloadStatus): boolean {
  return LEGAL_MOVES[status].length === 0;
}

/**
 * The state after a move. Pure.
 * @throws Error when the move is illegal: from a final status, not in {@link LEGAL_MOVES}, or with fewer bytes that are
 *   not counted as wasted
 */
export function transition(state: DownloadState, move: DownloadMove, nowMs: number): DownloadState {
  switch (move.type) {
    case 'update':
      return applyUpdate(state, move.update, nowMs);
    case 'complete': {
      assertMove(state, 'complete');
      if (state.total !== null && state.bytes !== state.total) {
        throw new Error(`${state.downloadId} cannot be complete with ${state.bytes} of ${state.total} bytes`);
      }
      const { path, sha256 } = move;
      return { ...ended(state, 'complete', nowMs), total: state.bytes, path, sha256, filesDone: state.filesTotal };
    }
    case 'fail':
      assertMove(state, 'failed');
      return { ...ended(state, 'failed', nowMs), error: move.failure };
    case 'cancel': {
      assertMove(state, 'cancelled');
      const stopped = { ...ended(state, 'cancelled', nowMs), partial: move.partial };
      return move.partial === 'kept' ? stopped : discarded(stopped);
    }
    case 'discard':
      if (state.status !== 'cancelled' && state.status !== 'failed')
        throw new Error(`${state.downloadId} is ${state.status}: it has left nothing`);
      return discarded(state);
  }
}

function applyUpdate(state: DownloadState, update: DownloadUpdate, nowMs: number): DownloadState {
  if (isEnded(state.status)) throw new Error(`${state.downloadId} is ${state.status}: it cannot change any more`);
  const status = update.status ?? state.status;
  if (status !== state.status) assertMove(state, status);
  const next = { ...state, ...update, status };
  const lost = state.bytes - next.bytes;
  if (lost > 0 && next.bytesWasted - state.bytesWasted < lost) {
    throw new Error(`${state.downloadId}: ${lost} bytes disappeared without being counted as wasted`);
  }
  const isRunning = status !== 'queued' && status !== 'paused';
  if (!isRunning) return { ...next, files: [] };
  return state.startedAtMs === null ? { ...next, startedAtMs: nowMs } : next;
}

function ended(state: DownloadState, status: 'complete' | 'failed' | 'cancelled', nowMs: number): DownloadState {
  return { ...state, status, endedAtMs: nowMs, connections: 0, files: [] };
}

function discarded(state: DownloadState): DownloadState {
  return { ...state, partial: 'discarded', bytes: 0, bytesWasted: state.bytesWasted + state.bytes };
}

function assertMove(state: DownloadState, to: DownloadStatus): void {
  if (LEGAL_MOVES[state.status].includes(to)) return;
  throw new Error(`${state.downloadId} cannot go from ${state.status} to ${to}`);
}
