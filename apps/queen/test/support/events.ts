import { type Download, type DownloadId, type Progress, toTimestamp } from '@rbee/contract';

/** The data of the events of a hive, as JSON. */

export function progressOf(id: DownloadId, bytes: number, more: Partial<Progress> = {}): string {
  return JSON.stringify({
    download_id: id,
    job_id: 'job-00000000-0000-4000-8000-000000000000',
    hive_id: 'hive-a',
    model_ref: 'hf:org/repo::file=x.gguf',
    status: 'downloading',
    bytes,
    total: 1_000,
    percent: bytes / 10,
    speed_bps: 5,
    eta_secs: 1,
    elapsed_secs: 1,
    files_done: 0,
    files_total: 1,
    file: 'x.gguf',
    attempt: 1,
    connections: 1,
    bytes_reused: 0,
    bytes_wasted: 0,
    ...more,
  });
}

export function completeOf(id: DownloadId, more: object = {}): string {
  const rest = { bytes: 1_000, total: 1_000, duration_secs: 1, path: '/models/x.gguf', sha256: null };
  return JSON.stringify({ download_id: id, ...rest, ...more });
}

export function cancelledOf(id: DownloadId): string {
  return JSON.stringify({ download_id: id, bytes: 0, total: null, partial: 'kept' });
}

export function noticeOf(id: DownloadId, code: string): string {
  return JSON.stringify({ download_id: id, code, message: 'something happened' });
}

/** A download as a hive lists it. */
export function downloadOf(id: DownloadId, more: Partial<Download> = {}): Download {
  return {
    ...(JSON.parse(progressOf(id, 500)) as Progress),
    created_at: toTimestamp(0),
    started_at: null,
    ended_at: null,
    path: null,
    sha256: null,
    partial: null,
    error: null,
    priority: 0,
    max_bandwidth: null,
    retry_of: null,
    ...more,
  };
}
