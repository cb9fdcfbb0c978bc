import {
  createMetrics,
  type MeasuredJobs,
  type MeasuredStreams,
  type Metrics,
  measureJobs,
  measureStreams,
  type StateWriter,
  samplesBy,
} from '@rbee/daemon';
import type { Roster } from './hives/roster.ts';
import type { UndeliveredCancels } from './jobs/undelivered-cancels.ts';
import type { FleetLimits } from './limits/fleet-limits.ts';
import { CHOICE_REASONS } from './placement/choice.ts';
import type { Relay } from './relay/relay.ts';
import type { QueenState } from './state/state.ts';
import { VERSION } from './version.ts';

export interface QueenMetricsDeps {
  readonly roster: Pick<Roster, 'list'>;
  readonly relay: Pick<Relay, 'upstreams' | 'eventsIn'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'size'>;
  /** Number of choices of hives, by reason. */
  readonly placements: ReadonlyMap<string, number>;
  readonly limits: Pick<FleetLimits, 'budget'>;
  readonly registry: MeasuredJobs;
  readonly streamHub: MeasuredStreams;
  readonly writer: Pick<StateWriter, 'unsaved' | 'failures'>;
  readonly state: Pick<QueenState, 'badRows'>;
}

/** The metrics of a queen. */
export function createQueenMetrics(deps: QueenMetricsDeps): Metrics {
  const metrics = createMetrics({ version: VERSION });
  measureFleet(metrics, deps);
  measureRelay(metrics, deps);
  measureState(metrics, deps);
  measureJobs(metrics, deps.registry);
  measureStreams(metrics, deps.streamHub);
  return metrics;
}

function measureState(metrics: Metrics, { writer, state }: QueenMetricsDeps): void {
  metrics.gauge({
    name: 'rbee_state_unsaved_rows',
    help: 'Rows of the state that could not be written yet; above 0 while its disk is full or read-only',
    read: () => writer.unsaved,
  });
  metrics.counter({
    name: 'rbee_state_write_failures_total',
    help: 'Failed writes of the state',
    read: () => writer.failures,
  });
  metrics.counter({
    name: 'rbee_state_bad_rows_total',
    help: 'Rows of the state that could not be read and were set aside',
    read: () => state.badRows,
  });
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

function measureRelay(metrics: Metrics, { relay, undeliveredCancels }: QueenMetricsDeps): void {
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
    read: () => undeliveredCancels.size,
  });
}
