import {
  type Download,
  type DownloadEvent,
  MAX_RUNNING_FILES,
  type Progress,
  percentOf,
  RbeeError,
  toSeconds,
  toTimestamp,
} from '@rbee/contract';
import { etaSeconds } from './rate.ts';
import type { DownloadState } from './transition.ts';

/** The `progress` event's data, from a state and its speed in bytes per second. */
export function toProgress(state: DownloadState, speedBps: number): Progress {
  return {
    download_id: state.downloadId,
    job_id: state.jobId,
    hive_id: state.hiveId,
    model_ref: state.modelRef,
    status: state.status,
    bytes: state.bytes,
    total: state.total,
    percent: percentOf(state.bytes, state.total),
    speed_bps: speedBps,
    eta_secs: etaSeconds(state.bytes, state.total, speedBps),
    elapsed_secs: toSeconds(state.elapsedMs),
    files_done: state.filesDone,
    files_total: state.filesTotal,
    file: state.file,
    attempt: state.attempt,
    connections: state.connections,
    bytes_reused: state.bytesReused,
    bytes_wasted: state.bytesWasted,
    ...filesOf(state),
  };
}

/** A single file is the download itself: listing it would repeat the same numbers. */
function filesOf({ files, filesTotal }: DownloadState): Pick<Progress, 'files'> {
  return filesTotal > 1 && files.length > 0 ? { files: files.slice(0, MAX_RUNNING_FILES) } : {};
}

/** The download as lists show it. */
export function toDownload(state: DownloadState, speedBps: number): Download {
  const at = (ms: number | null) => (ms === null ? null : toTimestamp(ms));
  return {
    ...toProgress(state, speedBps),
    created_at: toTimestamp(state.createdAtMs),
    started_at: at(state.startedAtMs),
    ended_at: at(state.endedAtMs),
    path: state.path,
    sha256: state.sha256,
    partial: state.partial,
    error: state.error,
    priority: state.priority,
    max_bandwidth: state.maxBandwidth,
    retry_of: state.retryOf,
  };
}

/** The terminal event of an ended download; null while it runs. */
export function toTerminalEvent(state: DownloadState): DownloadEvent | null {
  const { downloadId: download_id, bytes, total } = state;
  switch (state.status) {
    case 'complete':
      return {
        event: 'complete',
        data: {
          download_id,
          bytes,
          total: total ?? bytes,
          duration_secs: toSeconds(state.elapsedMs),
          path: state.path ?? '',
          sha256: state.sha256,
        },
      };
    case 'failed': {
      const failure = state.error ?? { code: 'INTERNAL' as const, message: 'the download failed' };
      const { code, message, hint } = failure;
      const retryable = new RbeeError(code, message).retryable;
      const data = {
        download_id,
        error: message,
        code,
        ...(hint === undefined ? {} : { hint }),
        bytes,
        total,
        retryable,
      };
      return { event: 'error', data };
    }
    case 'cancelled':
      return { event: 'cancelled', data: { download_id, bytes, total, partial: state.partial ?? 'kept' } };
    default:
      return null;
  }
}
