import { ACTIVE_STATUSES, type Hive, type HiveHeartbeat, type RunTimeSettings, toTimestamp } from '@rbee/contract';

/** A hive and its last known state. */
export interface HiveEntry {
  readonly hiveId: string;
  hiveUrl: string;
  /** Stops following it. */
  controller: AbortController;
  isConnected: boolean;
  online: boolean;
  lastSeenAtMs: number | null;
  heartbeat: HiveHeartbeat | null;
  /** The id of the event of the last heartbeat; empty before the first. */
  lastEventId: string;
  settings: RunTimeSettings | null;
  /** Why it cannot be followed. */
  problem: string | null;
  cancelOffline: () => void;
}

export function createHiveEntry(hiveId: string, hiveUrl: string, lastSeenAtMs: number | null): HiveEntry {
  return {
    hiveId,
    hiveUrl,
    controller: new AbortController(),
    isConnected: false,
    online: false,
    lastSeenAtMs,
    heartbeat: null,
    lastEventId: '',
    settings: null,
    problem: null,
    cancelOffline: () => {},
  };
}

/** The hive as lists show it. */
export function toHive({ hiveId, hiveUrl, online, lastSeenAtMs, heartbeat, settings, problem }: HiveEntry): Hive {
  const counts = heartbeat?.downloads ?? null;
  return {
    hive_id: hiveId,
    hive_url: hiveUrl,
    online,
    last_seen_at: lastSeenAtMs === null ? null : toTimestamp(lastSeenAtMs),
    version: heartbeat?.version ?? null,
    active_downloads: online && counts !== null ? ACTIVE_STATUSES.reduce((sum, status) => sum + counts[status], 0) : 0,
    downloads: counts,
    speed_bps: online ? (heartbeat?.speed_bps ?? 0) : 0,
    free_bytes: heartbeat?.free_bytes ?? null,
    ...(heartbeat?.other_free_bytes === undefined ? {} : { other_free_bytes: heartbeat.other_free_bytes }),
    max_bandwidth: settings?.max_bandwidth ?? null,
    max_concurrent_downloads: settings?.max_concurrent_downloads ?? null,
    ...(heartbeat?.draining === true ? { draining: true } : {}),
    problem,
  };
}

/** One spelling for each address, without a slash at its end. */
export function addressOf(url: string): string {
  return (URL.parse(url)?.href ?? url).replace(/\/+$/, '');
}
