import { count, maxRounds, names, parseFlags, publishFlags, publishOptions, withUsage } from '../arguments.ts';
import type { PublishOptions } from '../publish.ts';
import { type ContenderName, contenderNames } from './contenders.ts';
import { type ScenarioName, scenarioNames } from './scenarios.ts';

export interface RelayOptions extends PublishOptions {
  readonly scenarios: readonly ScenarioName[];
  /** null: each scenario's own. */
  readonly peers: readonly ContenderName[] | null;
  /** null: each scenario's own. */
  readonly readers: number | null;
  readonly rounds: number;
}

export const relayUsage = `usage: npm run bench -- relay [options]
  --only NAMES        scenarios: ${scenarioNames.join(', ')} (all)
  --peers NAMES       ${contenderNames.slice(1).join(', ')}, or none (what suits the scenario)
  --readers N         of each stream (what the scenario says, which its targets are meant for)
  --rounds N          measured ones (7); one more is run before them and discarded
  --json FILE         writes every run's figures
  --save              writes bench/results/relay.md
  --gate              ends with 1 when a target is missed, or cannot be measured for want of a program
`;

const maxReaders = 1_000_000;

/** @throws UsageError */
export function parseRelayOptions(args: readonly string[]): RelayOptions {
  return withUsage(relayUsage, () => read(args));
}

function read(args: readonly string[]): RelayOptions {
  const values = parseFlags(args, {
    ...publishFlags,
    only: { type: 'string' },
    peers: { type: 'string' },
    readers: { type: 'string' },
    rounds: { type: 'string', default: '7' },
  });
  return {
    scenarios: names(values.only, scenarioNames, 'scenario') ?? scenarioNames,
    peers: values.peers === 'none' ? [] : names(values.peers, contenderNames.slice(1), 'peer'),
    readers: values.readers === undefined ? null : count(values.readers, maxReaders, '--readers'),
    rounds: count(values.rounds, maxRounds, '--rounds'),
    ...publishOptions(values),
  };
}
