import type { hiveRoutes } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';

/** Every name that a label may have: each has few values, known in advance. Ids, models, URLs and addresses are none. */
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

/** One value of a metric that has labels. */
export interface Sample {
  readonly labels: Readonly<Partial<Record<MetricLabel, string>>>;
  readonly value: number;
}

/** One value, or one for each set of labels. */
export type Reading = number | readonly Sample[];

/** A metric that is read when somebody asks for it, from where it is counted anyway. */
export interface Measure {
  /** `rbee_` first, then what is measured in its base unit; `_total` last where it only rises. */
  readonly name: string;
  /** One sentence without its full stop. */
  readonly help: string;
  readonly labels?: readonly MetricLabel[];
  readonly read: () => Reading | Promise<Reading>;
}

/** A metric as the reference page has it. */
export interface MetricInfo {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** What a daemon measures of itself: a registry of its own, so that several daemons in one process do not mix. */
export interface Metrics {
  /** What rises and falls. */
  gauge(measure: Measure): void;
  /** What only rises. */
  counter(measure: Measure): void;
  /** Counts and times the requests to a server, and answers there what is measured. */
  serve(app: FastifyInstance, route: typeof hiveRoutes.metrics): void;
  /** The text that Prometheus reads. */
  text(): Promise<string>;
  list(): MetricInfo[];
  close(): void;
}

/**
 * Samples of counts by the values of one label. The values that are `expected` have one also at 0, so that their series are
 * there from the start and a first count is seen as a rise.
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
