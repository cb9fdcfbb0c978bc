import {
  createMetrics,
  type MeasuredJobs,
  type MeasuredStreams,
  type Metrics,
  measureJobs,
  measureStreams,
  samplesBy,
} from '@rbee/daemon';
import type { Roster } from './hives/roster.ts';
import type { Undelivered } from './jobs/undelivered-cancels.ts';
import type { FleetLimits } from './limits/fleet-limits.ts';
import { CHOICE_REASONS } from './placement/choice.ts';
import type { FleetStream } from './relay/fleet-stream.ts';
import type { Relay } from './relay/relay.ts';
import { VERSION } from './version.ts';

export interface QueenMetricsDeps {
  readonly roster: Pick<Roster, 'list'>;
  readonly relay: Pick<Relay, 'upstreams' | 'eventsIn'>;
  readonly undelivered: Pick<Undelivered, 'size'>;
  /** Choices of hives, counted by reason. */
  readonly placements: ReadonlyMap<string, number>;
  readonly limits: Pick<FleetLimits, 'budget'>;
  readonly registry: MeasuredJobs;
  readonly hub: MeasuredStreams;
  /** Fleet-wide streams; the hub counts their readers, but not their skips. */
  readonly fleetStreams: readonly Pick<FleetStream, 'counts'>[];
}

/** The metrics of a queen. */
export function createQueenMetrics(deps: QueenMetricsDeps): Metrics {
  const metrics = createMetrics({ version: VERSION });
  measureFleet(metrics, deps);
  measureRelay(metrics, deps);
  measureJobs(metrics, deps.registry);
  measureStreams(metrics, {
    get readers() {
      return deps.hub.readers;
    },
    get counts() {
      return sumOf(deps);
    },
  });
  return metrics;
}

function measureFleet(metrics: Metrics, { roster, placements, limits }: QueenMetricsDeps): void {
  metrics.gauge({
    name: 'rbee_hives',
    help: 'Known hives by state, online if their heartbeats arrive',
    labels: ['state'],
    read: () => {
      const hives = roster.list();
      const online = hives.filter((hive) => hive.online).length;
      return samplesBy('state', [], { online, offline: hives.length - online });
    },
  });
  metrics.counter({
    name: 'rbee_placements_total',
    help: 'Placed operations by reason of the choice',
    labels: ['reason'],
    read: () => samplesBy('reason', CHOICE_REASONS, placements),
  });
  metrics.gauge({
    name: 'rbee_bandwidth_budget_bytes_per_second',
    help: 'Bandwidth budget of all hives; +Inf = unlimited',
    read: () => limits.budget ?? Number.POSITIVE_INFINITY,
  });
}

function measureRelay(metrics: Metrics, { relay, undelivered }: QueenMetricsDeps): void {
  metrics.gauge({
    name: 'rbee_relay_upstreams',
    help: 'Downloads that the queen follows',
    read: () => relay.upstreams,
  });
  metrics.counter({
    name: 'rbee_relay_events_total',
    help: 'Download events received from hives; compare with rbee_stream_writes_total',
    read: () => relay.eventsIn,
  });
  metrics.gauge({
    name: 'rbee_undelivered_cancels',
    help: 'Cancels waiting for their hive to return',
    read: () => undelivered.size,
  });
}

function sumOf({ hub, fleetStreams }: QueenMetricsDeps) {
  const sum = (key: 'skips' | 'skippedEvents') =>
    fleetStreams.reduce((total, { counts }) => total + counts[key], hub.counts[key]);
  return { ...hub.counts, skips: sum('skips'), skippedEvents: sum('skippedEvents') };
}
