import { downloadStatusSchema, ERROR_CODES } from '@rbee/contract';
import {
  createMetrics,
  type MeasuredJobs,
  type MeasuredStreams,
  type Metrics,
  measureJobs,
  measureStreams,
  type Sample,
  type StateWriter,
  samplesBy,
} from '@rbee/daemon';
import { type DownloadTracker, isEnded } from '@rbee/download-tracker';
import type { Limiter } from '@rbee/transfer';
import type { Slots } from './downloads/slots.ts';
import type { TransferCounts } from './downloads/transfer-counts.ts';
import type { History } from './history/history.ts';
import { VERSION } from './version.ts';

export interface HiveMetricsDeps {
  readonly state: {
    readonly writer: Pick<StateWriter, 'unsaved' | 'failures'>;
    readonly history: Pick<History, 'badRows'>;
  };
  readonly tracker: Pick<DownloadTracker, 'list' | 'onKeep'>;
  readonly registry: MeasuredJobs;
  readonly hub: MeasuredStreams;
  readonly counts: TransferCounts;
  readonly slots: Slots;
  readonly limiter: Limiter;
  /** Free bytes on the disk of the store. */
  readonly freeBytes: () => Promise<number | null>;
}

/** The codes that a download is likely to fail with, and those that a request to a source is retried after. */
const FAILURE_CODES = Object.entries(ERROR_CODES)
  .filter(([code, { http }]) => http === 502 || http === 507 || code === 'INTERNAL' || code === 'MODEL_NOT_FOUND')
  .map(([code]) => code);
const RETRIED_CODES = Object.entries(ERROR_CODES)
  .filter(([, { retried }]) => retried !== 'no')
  .map(([code]) => code);

/** The metrics of a hive. */
export function createHiveMetrics(deps: HiveMetricsDeps): Metrics {
  const metrics = createMetrics({ version: VERSION });
  measureDownloads(metrics, deps.tracker);
  measureTransfers(metrics, deps.counts);
  measureRoom(metrics, deps);
  measureState(metrics, deps.state);
  measureJobs(metrics, deps.registry);
  measureStreams(metrics, deps.hub);
  return metrics;
}

function measureDownloads(metrics: Metrics, tracker: HiveMetricsDeps['tracker']): void {
  metrics.gauge({
    name: 'rbee_downloads',
    help: 'Downloads in memory by status',
    labels: ['status'],
    read: () => {
      const counts = new Map<string, number>();
      for (const { status } of tracker.list()) counts.set(status, (counts.get(status) ?? 0) + 1);
      return samplesBy('status', downloadStatusSchema.options, counts);
    },
  });
  metrics.counter({
    name: 'rbee_downloads_ended_total',
    help: 'Ended downloads by outcome, failures also by error code',
    labels: ['outcome', 'code'],
    read: countEnds(tracker),
  });
  metrics.gauge({
    name: 'rbee_download_speed_bytes_per_second',
    help: 'Total speed of all downloads',
    read: () => tracker.list().reduce((sum, { speed_bps }) => sum + speed_bps, 0),
  });
}

function countEnds(tracker: HiveMetricsDeps['tracker']): () => Sample[] {
  const ended = new Map<string, number>();
  const failed = new Map<string, number>();
  tracker.onKeep(({ status, error }) => {
    if (!isEnded(status)) return;
    const [counts, name] = status === 'failed' ? [failed, error?.code ?? 'INTERNAL'] : [ended, status];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  });
  const codeOf = (sample: Sample): Sample => ({ ...sample, labels: { outcome: 'failed', ...sample.labels } });
  const noCode = (sample: Sample): Sample => ({ ...sample, labels: { ...sample.labels, code: 'none' } });
  return () => [
    ...samplesBy('outcome', ['complete', 'cancelled'], ended).map(noCode),
    ...samplesBy('code', FAILURE_CODES, failed).map(codeOf),
  ];
}

function measureTransfers(metrics: Metrics, counts: TransferCounts): void {
  metrics.counter({
    name: 'rbee_download_received_bytes_total',
    help: 'Model bytes received over the network',
    read: () => counts.bytes.received,
  });
  metrics.counter({
    name: 'rbee_download_reused_bytes_total',
    help: 'Model bytes that were on disk when their download started',
    read: () => counts.bytes.reused,
  });
  metrics.counter({
    name: 'rbee_download_wasted_bytes_total',
    help: 'Bytes that were on disk and had to be discarded',
    read: () => counts.bytes.wasted,
  });
  metrics.gauge({
    name: 'rbee_download_connections',
    help: 'Open connections to sources',
    read: () => counts.connections,
  });
  metrics.counter({
    name: 'rbee_download_retries_total',
    help: 'Retried requests to sources by error code',
    labels: ['reason'],
    read: () => samplesBy('reason', RETRIED_CODES, counts.retries),
  });
  metrics.counter({
    name: 'rbee_download_stalls_total',
    help: 'Connections dropped because they stalled or were much slower than the rest',
    read: () => counts.stalls,
  });
  metrics.counter({
    name: 'rbee_download_throttles_total',
    help: 'Rate limit responses from sources',
    read: () => counts.throttles,
  });
  metrics.counter({
    name: 'rbee_download_verify_failures_total',
    help: 'Files whose content did not match their digest',
    read: () => counts.verifyFailures,
  });
}

function measureState(metrics: Metrics, { writer, history }: HiveMetricsDeps['state']): void {
  metrics.gauge({
    name: 'rbee_history_unsaved_rows',
    help: 'Rows of the history that could not be written yet; above 0 while its disk is full or read-only',
    read: () => writer.unsaved,
  });
  metrics.counter({
    name: 'rbee_history_write_failures_total',
    help: 'Failed writes of the history',
    read: () => writer.failures,
  });
  metrics.counter({
    name: 'rbee_history_bad_rows_total',
    help: 'Rows of the history that could not be read and were set aside',
    read: () => history.badRows,
  });
}

function measureRoom(metrics: Metrics, { slots, limiter, freeBytes }: HiveMetricsDeps): void {
  metrics.gauge({
    name: 'rbee_queue_length',
    help: 'Queued downloads',
    read: () => slots.waiting,
  });
  metrics.gauge({
    name: 'rbee_download_slots',
    help: 'Maximum number of parallel downloads',
    read: () => slots.count,
  });
  metrics.gauge({
    name: 'rbee_bandwidth_limit_bytes_per_second',
    help: 'Bandwidth limit of the hive; +Inf = unlimited',
    read: () => limiter.bytesPerSecond ?? Number.POSITIVE_INFINITY,
  });
  metrics.gauge({
    name: 'rbee_store_free_bytes',
    help: 'Free bytes on the disk of the store; missing if unknown',
    // A missing disk must not hide the other metrics.
    read: async () => (await freeBytes().catch(() => null)) ?? [],
  });
}
