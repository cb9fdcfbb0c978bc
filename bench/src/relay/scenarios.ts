import type { ContenderName } from './contenders.ts';
import type { Metric } from './results.ts';

export type Target =
  /** The ratio of one figure of ours to that of another, in each round. */
  | { readonly kind: 'ratio'; readonly metric: Metric; readonly over: ContenderName; readonly limit: Limit }
  | { readonly kind: 'value'; readonly metric: Metric; readonly limit: Limit };

export type Limit = { readonly atLeast: number } | { readonly atMost: number };

export interface Scenario {
  readonly name: ScenarioName;
  readonly title: string;
  /** How the events come: one in flight, so many in each run; or at a pace. */
  readonly events: Burst | Pace;
  readonly streams: number;
  /** Of each stream. */
  readonly readers: number;
  /** Who takes part when nobody is named; the first one is ours. */
  readonly peers: readonly ContenderName[];
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
}

export interface Burst {
  readonly kind: 'burst';
  readonly count: number;
}

export interface Pace {
  readonly kind: 'pace';
  readonly perSecond: number;
  readonly seconds: number;
}

export const scenarioNames = ['burst', 'crowd', 'chain'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

const longestStop: Target = { kind: 'value', metric: 'longestStopMs', limit: { atMost: 10 } };

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  burst: {
    name: 'burst',
    title: '1 stream, 1,000 readers, one event in flight',
    events: { kind: 'burst', count: 200 },
    streams: 1,
    readers: 1_000,
    peers: ['node-http', 'fastify-sse', 'nchan'],
    metrics: ['deliveriesPerCpuSecond', 'p50Ms', 'p99Ms', 'kbPerReader', 'closeMs'],
    targets: [
      { kind: 'ratio', metric: 'deliveriesPerCpuSecond', over: 'node-http', limit: { atLeast: 1.3 } },
      { kind: 'ratio', metric: 'deliveriesPerCpuSecond', over: 'nchan', limit: { atLeast: 1 } },
      { kind: 'value', metric: 'closeMs', limit: { atMost: 1_000 } },
    ],
  },
  crowd: {
    name: 'crowd',
    title: '1 stream, 10,000 readers, 4 events a second',
    events: { kind: 'pace', perSecond: 4, seconds: 4 },
    streams: 1,
    readers: 10_000,
    peers: ['node-http'],
    metrics: ['deliveriesPerCpuSecond', 'p50Ms', 'p99Ms', 'longestStopMs', 'kbPerReader'],
    targets: [
      { kind: 'ratio', metric: 'p99Ms', over: 'node-http', limit: { atMost: 0.7 } },
      longestStop,
      { kind: 'value', metric: 'kbPerReader', limit: { atMost: 18 } },
    ],
  },
  chain: {
    name: 'chain',
    title: 'hive, queen, 60 downloads with 100 readers each, 4 events a second',
    events: { kind: 'pace', perSecond: 4, seconds: 4 },
    streams: 60,
    readers: 100,
    peers: [],
    metrics: ['deliveriesPerCpuSecond', 'p50Ms', 'p99Ms', 'upstreams'],
    targets: [
      { kind: 'value', metric: 'p99Ms', limit: { atMost: 20 } },
      { kind: 'value', metric: 'upstreams', limit: { atLeast: 60 } },
      { kind: 'value', metric: 'upstreams', limit: { atMost: 60 } },
    ],
  },
};
