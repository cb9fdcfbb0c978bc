import { Slots } from '../../apps/hive/src/downloads/slots.ts';
import { TransferCounts } from '../../apps/hive/src/downloads/transfer-counts.ts';
import { createHiveMetrics } from '../../apps/hive/src/metrics.ts';
import { createQueenMetrics } from '../../apps/queen/src/metrics.ts';
import { systemClock } from '../../packages/contract/src/index.ts';
import type { MetricInfo } from '../../packages/daemon/src/index.ts';
import { DownloadTracker } from '../../packages/download-tracker/src/index.ts';
import { createStreamHub } from '../../packages/event-stream/src/index.ts';
import { JobRegistry } from '../../packages/jobs/src/index.ts';
import { createLimiter } from '../../packages/transfer/src/index.ts';

/** What each daemon measures, as its program would register it. */
export function metricsOfDaemons(): { hive: MetricInfo[]; queen: MetricInfo[] } {
  const clock = systemClock;
  const streamHub = createStreamHub();
  const registry = new JobRegistry({ streamHub, clock, actor: 'docs', onBug: () => {} });
  const hive = createHiveMetrics({
    tracker: new DownloadTracker({ clock }),
    state: { writer: { unsaved: 0, failures: 0 }, history: { badRows: 0 } },
    registry,
    hub: streamHub,
    counts: new TransferCounts(),
    slots: new Slots(1),
    limiter: createLimiter(null),
    freeBytes: async () => 0,
  });
  const queen = createQueenMetrics({
    roster: { list: () => [] },
    relay: { upstreams: 0, eventsIn: 0 },
    undeliveredCancels: { size: 0 },
    placements: new Map(),
    limits: { budget: null },
    registry,
    streamHub,
    writer: { unsaved: 0, failures: 0 },
    state: { badRows: 0 },
  });
  const lists = { hive: hive.list(), queen: queen.list() };
  hive.close();
  queen.close();
  return lists;
}
