import { count, maxRounds, parseFlags, withUsage } from '../arguments.ts';

export interface CliOptions {
  readonly rounds: number;
  readonly isGate: boolean;
}

export const cliUsage = `usage: npm run bench -- cli [options]
  --rounds N          measured ones (30); three more are run before them and discarded
  --gate              ends with 1 when a target is missed
`;

/** @throws UsageError */
export function parseCliOptions(args: readonly string[]): CliOptions {
  return withUsage(cliUsage, () => read(args));
}

function read(args: readonly string[]): CliOptions {
  const { rounds, gate } = parseFlags(args, {
    rounds: { type: 'string', default: '30' },
    gate: { type: 'boolean', default: false },
  });
  return { rounds: count(rounds, maxRounds, '--rounds'), isGate: gate };
}
