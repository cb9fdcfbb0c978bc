import type { Hive } from '@rbee/contract';

/** After a start or a larger share the speed needs this long to show what the hive can use. */
const GRACE_MS = 5_000;
/** A hive that uses this part of its limit could use more. */
const FULL_USE = 0.85;
/** What a hive that uses less is given room for. */
const HEADROOM = 1.5;
/** Room to begin in, also for a hive whose source says nothing at the moment. */
const LEAST_DEMAND = 64 * 1024;

/** What is remembered of a hive from one beat to the next. */
export interface DemandMemory {
  /** Milliseconds: when it began to download, or was given more; null while it does not download. */
  sinceMs: number | null;
}

/** Whether bytes flow to a hive, or will as soon as they may. */
export function isDownloading({ online, downloads }: Pick<Hive, 'online' | 'downloads'>): boolean {
  return online && downloads !== null && downloads.queued + downloads.starting + downloads.downloading > 0;
}

/**
 * What a hive that downloads could use, in bytes per second: without an end where its limit holds it back or nothing can
 * be told yet.
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
