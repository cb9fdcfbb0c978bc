import type { Hive } from '@rbee/contract';

/** After a start or a raised limit the speed needs this long to show what the hive can use. */
const GRACE_MS = 5_000;
/** A hive that uses this share of its limit could use more. */
const FULL_USE = 0.85;
/** A hive that uses less may grow by this factor. */
const HEADROOM = 1.5;
/** Enough to start with, also for a hive whose source sends nothing at the moment. */
const LEAST_DEMAND = 64 * 1024;

/** What is remembered of a hive from one heartbeat to the next. */
export interface DemandMemory {
  /** Milliseconds: when it started to download or its limit was raised; null while it does not download. */
  sinceMs: number | null;
}

/** Whether a hive downloads, or has downloads that are about to. */
export function isDownloading({ online, downloads }: Pick<Hive, 'online' | 'downloads'>): boolean {
  return online && downloads !== null && downloads.queued + downloads.starting + downloads.downloading > 0;
}

/**
 * The bandwidth that a downloading hive could use, in bytes per second: `Infinity` when its limit holds it back or it is too
 * early to tell.
 */
export function demandOf(
  { speed_bps: speed }: Pick<Hive, 'speed_bps'>,
  limit: number | null,
  { sinceMs }: DemandMemory,
  nowMs: number,
): number {
  const isNew = sinceMs === null || nowMs - sinceMs < GRACE_MS;
  if (isNew || (limit !== null && speed >= FULL_USE * limit)) return Number.POSITIVE_INFINITY;
  return Math.max(LEAST_DEMAND, Math.round(speed * HEADROOM));
}
