import { type Clock, type DownloadStatus, downloadStatusSchema, type HiveHeartbeat, toTimestamp } from '@rbee/contract';
import type { DownloadTracker } from '@rbee/download-tracker';
import type { Channel } from '@rbee/event-stream';

const INTERVAL_MS = 1_000;

export interface HeartbeatDeps {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly tracker: DownloadTracker;
  readonly freeRoom: () => Promise<Pick<HiveHeartbeat, 'free_bytes' | 'other_free_bytes'>>;
  readonly onBug: (error: unknown) => void;
}

/** Says each second how the hive is. The answer stops it. */
export function beatEachSecond(
  deps: HeartbeatDeps,
  hive: Pick<HiveHeartbeat, 'hive_id' | 'hive_url' | 'version'>,
): () => void {
  const { channel, clock, tracker, freeRoom, onBug } = deps;
  let cancelTimer = () => {};
  let stopped = false;
  const beat = async () => {
    try {
      const room = await freeRoom();
      if (stopped) return;
      const downloads = tracker.list();
      const counts = Object.fromEntries(downloadStatusSchema.options.map((status) => [status, 0]));
      for (const { status } of downloads) counts[status] = (counts[status] ?? 0) + 1;
      const heartbeat: HiveHeartbeat = {
        ...hive,
        at: toTimestamp(clock.now()),
        downloads: counts as Record<DownloadStatus, number>,
        speed_bps: downloads.reduce((sum, { speed_bps }) => sum + speed_bps, 0),
        ...room,
      };
      channel.publish({ event: 'heartbeat', data: JSON.stringify(heartbeat) }, 'state');
    } catch (error) {
      onBug(error);
    } finally {
      if (!stopped) cancelTimer = clock.setTimer(INTERVAL_MS, () => void beat());
    }
  };
  void beat();
  return () => {
    stopped = true;
    cancelTimer();
  };
}
