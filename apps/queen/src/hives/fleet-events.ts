import type { Hive } from '@rbee/contract';
import type { KeyedStream } from '@rbee/event-stream';

/** What changes with every heartbeat, which has a stream of its own. */
const MOVING = [
  'last_seen_at',
  'active_downloads',
  'downloads',
  'speed_bps',
  'free_bytes',
  'other_free_bytes',
] as const;

/** Puts the hives and the limits of the fleet into the stream of its downloads: their state first, then each change. */
export interface FleetEvents {
  hive(hive: Hive): void;
  removed(hiveId: string): void;
  limits(maxBandwidth: number | null): void;
}

export function createFleetEvents(stream: KeyedStream, queenId: string): FleetEvents {
  const shown = new Map<string, string>();
  const names = { orchestrator_id: queenId };
  return {
    hive(hive) {
      const still: Partial<Record<string, unknown>> = { ...hive };
      for (const field of MOVING) delete still[field];
      const text = JSON.stringify(still);
      if (shown.get(hive.hive_id) === text) return;
      shown.set(hive.hive_id, text);
      stream.publish(keyOf(hive.hive_id), { event: 'hive', data: JSON.stringify({ ...names, ...hive }) }, 'state');
    },
    removed(hiveId) {
      if (!shown.delete(hiveId)) return;
      const data = JSON.stringify({ ...names, hive_id: hiveId });
      stream.publish(keyOf(hiveId), { event: 'hive_removed', data }, 'terminal');
    },
    limits(max_bandwidth) {
      stream.publish('limits', { event: 'limits', data: JSON.stringify({ ...names, max_bandwidth }) }, 'state');
    },
  };
}

/** No id of a download has a space. */
const keyOf = (hiveId: string) => `hive ${hiveId}`;
