import type { hiveRoutes } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';

/** Every label name. Each has few values, known in advance: never an id, a model, a URL or an address. */
export type MetricLabel =
  | 'code'
  | 'method'
  | 'node_version'
  | 'outcome'
  | 'reason'
  | 'route'
  | 'state'
  | 'statistic'
  | 'status'
  | 'version';

/** One value of a metric with labels. */
export interface Sample {
  readonly labels: Readonly<Partial<Record<MetricLabel, string>>>;
  readonly value: number;
}

/** One value, or one per set of labels. */
export type Reading = number | readonly Sample[];

/** A metric that is read at each scrape, from where it is counted anyway. */
export interface Measure {
  /** `rbee_`, then the quantity in its base unit, then `_total` for a counter. */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly help: string;
  readonly labels?: readonly MetricLabel[];
  readonly read: () => Reading | Promise<Reading>;
}

/** A metric as the reference page shows it. */
export interface MetricInfo {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** The metrics of one daemon: several daemons in one process have separate registries. */
export interface Metrics {
  /** A value that rises and falls. */
  gauge(measure: Measure): void;
  /** A value that only rises. */
  counter(measure: Measure): void;
  /** Counts and times the requests to a server, and serves the metrics on it. */
  serve(app: FastifyInstance, route: typeof hiveRoutes.metrics): void;
  /** The metrics in the text format of Prometheus. */
  text(): Promise<string>;
  list(): MetricInfo[];
  close(): void;
}

/**
 * Samples of counts by the values of one label. `expected` values have a sample even at 0, so that their series exist
 * from the start and the first count shows as an increase.
 */
export function samplesBy(
  label: MetricLabel,
  expected: readonly string[],
  counts: Readonly<Record<string, number>> | ReadonlyMap<string, number>,
): Sample[] {
  const entries = counts instanceof Map ? [...counts] : Object.entries(counts);
  const all = new Map<string, number>([...expected.map((value) => [value, 0] as const), ...entries]);
  return [...all].map(([name, value]) => ({ labels: { [label]: name }, value }));
}
