import { parseArgs } from 'node:util';
import { UsageError } from '../arguments.ts';

export interface CliOptions {
  readonly rounds: number;
  readonly isGate: boolean;
}

export const cliUsage = `usage: npm run bench -- cli [options]
  --rounds N          measured ones (30); three more are run before them and discarded
  --gate              ends with 1 when a target is missed
`;

const maxRounds = 1_000;

/** @throws UsageError */
export function parseCliOptions(args: readonly string[]): CliOptions {
  const { rounds, gate } = parse(args);
  const number = Number(rounds);
  if (!/^\d+$/.test(rounds) || number < 1 || number > maxRounds) {
    throw new UsageError(`--rounds takes a whole number from 1 to ${maxRounds}\n${cliUsage}`);
  }
  return { rounds: number, isGate: gate };
}

function parse(args: readonly string[]) {
  try {
    const options = { rounds: { type: 'string', default: '30' }, gate: { type: 'boolean', default: false } } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n${cliUsage}`);
  }
}
