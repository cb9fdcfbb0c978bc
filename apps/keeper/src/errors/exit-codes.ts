import type { EXIT_CODES } from '@rbee/contract';

/**
 * The contract's exit codes, repeated here so that `--help` does not load the contract and its schemas. The compiler
 * checks that they are equal.
 */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  unauthorised: 4,
  interrupted: 130,
} as const satisfies typeof EXIT_CODES;

const MEANINGS: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'success',
  failed: 'operation failed',
  usage: 'wrong usage or malformed model name',
  unreachable: 'daemon unreachable',
  unauthorised: 'not authorised',
  interrupted: 'interrupted',
};

/** The table in the root help. */
export function exitCodeTable(): string {
  const rows = Object.entries(MEANINGS).map(
    ([name, meaning]) => `  ${String(exitCodes[name as keyof typeof exitCodes]).padEnd(5)}${meaning}`,
  );
  return ['Exit codes:', ...rows].join('\n');
}

/** The worst of several results: the highest code. */
export function worstOf(codes: readonly number[]): number {
  return Math.max(exitCodes.done, ...codes);
}
