import type { Line } from '../line/delayed-pipe.ts';
import type { ClientName } from './clients.ts';

export type Target =
  /** This many times the throughput of another client. */
  | { readonly kind: 'ratio'; readonly over: ClientName; readonly atLeast: number }
  /** This share of what the scenario lets through. */
  | { readonly kind: 'line'; readonly bytesPerSecond: number; readonly atLeast: number }
  | { readonly kind: 'cpu'; readonly atMostSecondsPerGib: number }
  | { readonly kind: 'memory'; readonly atMostMb: number };

export interface Scenario {
  readonly name: ScenarioName;
  readonly title: string;
  readonly isTls: boolean;
  /** nginx's limit per connection; null for none. */
  readonly serverBytesPerSecondEach: number | null;
  /** Between clients and origin; null for none. */
  readonly line: Line | null;
  /** The default peers. A client with one connection would only show the limit of the scenario. */
  readonly peers: readonly ClientName[];
  /** For the transfer engine. */
  readonly targets: readonly Target[];
}

export const scenarioNames = ['plain', 'tls', 'per-connection', 'rtt'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

const limitedBytesPerSecond = 20 * 1024 * 1024;
const limitedConnections = 16;
const memory: Target = { kind: 'memory', atMostMb: 200 };

export const scenarios: readonly Scenario[] = [
  {
    name: 'plain',
    title: 'HTTP from nginx on loopback',
    isTls: false,
    serverBytesPerSecondEach: null,
    line: null,
    peers: ['curl-openssl', 'aria2c', 'ipull', 'hub-hash', 'hub', 'curl'],
    targets: [
      { kind: 'ratio', over: 'curl-openssl', atLeast: 1.1 },
      { kind: 'ratio', over: 'aria2c', atLeast: 2.3 },
      { kind: 'ratio', over: 'hub-hash', atLeast: 2 },
      { kind: 'ratio', over: 'ipull', atLeast: 4 },
      { kind: 'cpu', atMostSecondsPerGib: 3.5 },
      memory,
    ],
  },
  {
    name: 'tls',
    title: 'HTTPS from nginx on loopback',
    isTls: true,
    serverBytesPerSecondEach: null,
    line: null,
    peers: ['curl-openssl', 'aria2c', 'ipull', 'hub-hash', 'hub', 'curl'],
    targets: [
      { kind: 'ratio', over: 'curl-openssl', atLeast: 0.85 },
      { kind: 'ratio', over: 'aria2c', atLeast: 2 },
      memory,
    ],
  },
  {
    name: 'per-connection',
    title: 'HTTP from nginx on loopback, 20 MiB/s per connection',
    isTls: false,
    serverBytesPerSecondEach: limitedBytesPerSecond,
    line: null,
    peers: ['aria2c', 'ipull'],
    targets: [{ kind: 'line', bytesPerSecond: limitedConnections * limitedBytesPerSecond, atLeast: 0.9 }, memory],
  },
  {
    name: 'rtt',
    title: 'HTTP through 40 ms of round trip, 60 MB/s per connection',
    isTls: false,
    serverBytesPerSecondEach: null,
    line: { delayMs: 20, bytesPerSecond: 60e6 },
    peers: ['aria2c', 'ipull', 'curl'],
    targets: [{ kind: 'ratio', over: 'aria2c', atLeast: 1.2 }, memory],
  },
];
