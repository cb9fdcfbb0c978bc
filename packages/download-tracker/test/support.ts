import { type DownloadEvent, newDownloadId, newJobId } from '@rbee/contract';
import { createManualClock } from '@rbee/testing';
import { DownloadTracker, type DownloadTrackerOptions } from '../src/index.ts';

export const MODEL_REF = 'hf:org/repo::file=x.gguf';

/** A tracker on a manual clock, with one download, and every event it emitted. */
export function createTracked(options: DownloadTrackerOptions = {}) {
  const clock = createManualClock();
  const tracker = new DownloadTracker({ clock }, options);
  const events: DownloadEvent[] = [];
  tracker.onEvent((event) => events.push(event));
  const id = newDownloadId(clock.now());
  tracker.start({
    downloadId: id,
    jobId: newJobId(),
    hiveId: 'hive-a',
    modelRef: MODEL_REF,
    priority: 0,
    maxBandwidth: null,
    retryOf: null,
  });
  return { clock, tracker, events, id };
}

/** The same, with bytes that flow. */
export function createFlowing(total: number | null = 1_000_000) {
  const tracked = createTracked();
  tracked.tracker.update(tracked.id, { status: 'starting' });
  tracked.tracker.update(tracked.id, { status: 'downloading', total, filesTotal: 1, connections: 1 });
  tracked.events.length = 0;
  return tracked;
}

export function progressOf(events: readonly DownloadEvent[]) {
  return events.flatMap((event) => (event.event === 'progress' ? [event.data] : []));
}
