import { type Clock, type DownloadStatus, downloadStatusSchema, type HiveHeartbeat, toTimestamp } from '@rbee/contract';
import type { DownloadTracker } from '@rbee/download-tracker';
import type { Channel } from '@rbee/event-stream';

const INTERVAL_MS = 1_000;

export interface HeartbeatDeps {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly tracker: DownloadTracker;
  /** The bandwidth limit in force. */
  readonly maxBandwidth: () => number | null;
  readonly freeSpace: () => Promise<Pick<HiveHeartbeat, 'free_bytes' | 'other_free_bytes'>>;
  readonly onBug: (error: unknown) => void;
}

/**
 * Publishes the state of the hive every second. Returns a function that stops it, with a last heartbeat that says that
 * the hive is leaving.
 */
export function publishHeartbeats(
  deps: HeartbeatDeps,
  hive: Pick<HiveHeartbeat, 'hive_id' | 'hive_url' | 'version'>,
): () => void {
  const { channel, clock, tracker, maxBandwidth, freeSpace, onBug } = deps;
  let cancelTimer = () => {};
  let stopped = false;
  let space: Awaited<ReturnType<HeartbeatDeps['freeSpace']>> = { free_bytes: null };
  const publish = () => {
    const downloads = tracker.list();
    const counts = Object.fromEntries(downloadStatusSchema.options.map((status) => [status, 0]));
    for (const { status } of downloads) counts[status] = (counts[status] ?? 0) + 1;
    const heartbeat: HiveHeartbeat = {
      ...hive,
      at: toTimestamp(clock.now()),
      downloads: counts as Record<DownloadStatus, number>,
      speed_bps: downloads.reduce((sum, { speed_bps }) => sum + speed_bps, 0),
      ...space,
      max_bandwidth: maxBandwidth(),
      draining: stopped,
    };
    channel.publish({ event: 'heartbeat', data: JSON.stringify(heartbeat) }, 'state');
  };
  const beat = async () => {
    try {
      space = await freeSpace();
      if (!stopped) publish();
    } catch (error) {
      onBug(error);
    } finally {
      if (!stopped) cancelTimer = clock.setTimer(INTERVAL_MS, () => void beat());
    }
  };
  void beat();
  return () => {
    if (stopped) return;
    stopped = true;
    cancelTimer();
    publish();
  };
}
