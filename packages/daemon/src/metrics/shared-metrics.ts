import { type JobState, jobStateSchema } from '@rbee/contract';
import type { StreamCounts } from '@rbee/event-stream';
import { type Metrics, samplesBy } from './metric.ts';

const ENDED_STATES = ['completed', 'failed', 'cancelled'] as const;

export interface MeasuredJobs {
  /** Jobs in memory. */
  byState(): Readonly<Record<JobState, number>>;
  /** Jobs that ended since the start. */
  readonly endedByState: Readonly<Record<(typeof ENDED_STATES)[number], number>>;
}

export interface MeasuredStreams {
  readonly readers: number;
  readonly counts: StreamCounts;
}

export function measureJobs(metrics: Metrics, jobs: MeasuredJobs): void {
  metrics.gauge({
    name: 'rbee_jobs',
    help: 'Jobs in memory by state',
    labels: ['state'],
    read: () => samplesBy('state', jobStateSchema.options, jobs.byState()),
  });
  metrics.counter({
    name: 'rbee_jobs_ended_total',
    help: 'Ended jobs by final state',
    labels: ['state'],
    read: () => samplesBy('state', ENDED_STATES, jobs.endedByState),
  });
}

export function measureStreams(metrics: Metrics, streams: MeasuredStreams): void {
  metrics.gauge({
    name: 'rbee_streams_open',
    help: 'Open event streams',
    read: () => streams.readers,
  });
  metrics.counter({
    name: 'rbee_stream_writes_total',
    help: 'Writes to event streams; one write may carry several events',
    read: () => streams.counts.writes,
  });
  metrics.counter({
    name: 'rbee_stream_skips_total',
    help: 'Times a slow reader was skipped to the newest state',
    read: () => streams.counts.skips,
  });
  metrics.counter({
    name: 'rbee_stream_skipped_events_total',
    help: 'Events that slow readers did not receive',
    read: () => streams.counts.skippedEvents,
  });
  metrics.counter({
    name: 'rbee_streams_closed_stalled_total',
    help: 'Streams closed because their reader accepted no data for too long',
    read: () => streams.counts.closedStalled,
  });
}
