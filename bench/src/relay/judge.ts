import { medianOrNull, medianRatio } from '../stats.ts';
import { atLeast, atMost, type Verdict } from '../verdict.ts';
import { type Metric, metrics, type Sample, type Samples } from './results.ts';
import type { Limit, Target } from './scenarios.ts';

/** How our relay stands to one of its targets. */
export function judge(target: Target, samples: Samples): Verdict {
  const { metric, limit } = target;
  const ours = samples.rbee ?? [];
  if (target.kind === 'value') return compare(metrics[metric].title, limit, medianOf(ours, metric));
  const text = `${metrics[metric].title} over that of ${target.over}`;
  return compare(text, limit, ratio(ours, samples[target.over] ?? [], metric));
}

/** null when it was not measured in every round. */
export function medianOf(samples: readonly Sample[], metric: Metric): number | null {
  return medianOrNull(samples.map((sample) => sample[metric] ?? null));
}

/** The median of the ratios of each round; null when one side was not measured. */
export function ratio(ours: readonly Sample[], theirs: readonly Sample[], metric: Metric): number | null {
  if (medianOf(ours, metric) === null || medianOf(theirs, metric) === null) return null;
  const values = (samples: readonly Sample[]): number[] => samples.map((sample) => sample[metric] ?? Number.NaN);
  return medianRatio(values(ours), values(theirs));
}

const compare = (what: string, limit: Limit, value: number | null): Verdict =>
  'atLeast' in limit ? atLeast(what, limit.atLeast, value) : atMost(what, limit.atMost, value);
