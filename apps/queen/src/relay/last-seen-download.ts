import { type Download, type Progress, toTimestamp } from '@rbee/contract';

/**
 * A running download as the queen last saw it, for a hive that does not respond. What only the hive knows is null, and its
 * speed is 0: nobody knows whether bytes still arrive.
 */
export function lastSeenDownload(progress: Progress, nowMs: number): Download {
  return {
    ...progress,
    speed_bps: 0,
    eta_secs: null,
    created_at: toTimestamp(Math.min(createdAtMs(progress.download_id), nowMs)),
    started_at: null,
    ended_at: null,
    path: null,
    sha256: null,
    partial: null,
    error: null,
    priority: 0,
    max_bandwidth: null,
    retry_of: null,
  };
}

/** The first 48 bits of a UUIDv7 are the time it was made at. */
function createdAtMs(id: string): number {
  return Number.parseInt(id.slice('dl-'.length).replaceAll('-', '').slice(0, 12), 16);
}
