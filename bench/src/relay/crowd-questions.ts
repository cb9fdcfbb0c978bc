import type { LatencySummary } from './latencies.ts';

/** What the process of the readers is asked. */
export type CrowdQuestion =
  /** Opens streams: as many for each path. */
  | { readonly kind: 'gather'; readonly port: number; readonly paths: readonly string[]; readonly readersEach: number }
  /** Publishes by itself, one event in flight. */
  | {
      readonly kind: 'burst';
      readonly publishUrl: string;
      readonly readers: number;
      readonly serverPid: number;
      readonly events: number;
    }
  /** Waits until nothing has come for so long. */
  | { readonly kind: 'quiet'; readonly ms: number }
  /** Counts from here on. */
  | { readonly kind: 'watch' }
  /** Waits for so many deliveries since then. */
  | { readonly kind: 'watched'; readonly deliveries: number }
  | { readonly kind: 'leave' };

export interface BurstResult extends LatencySummary {
  readonly deliveries: number;
  readonly serverCpuSeconds: number;
}

export interface WatchResult extends LatencySummary {
  readonly deliveries: number;
}

export type CrowdAnswer =
  | { readonly kind: 'done' }
  | ({ readonly kind: 'burst' } & BurstResult)
  | ({ readonly kind: 'watched' } & WatchResult);
