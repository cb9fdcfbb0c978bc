import { resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { PublishOptions } from './publish.ts';

/** The command line is not understood; the message says what of it. */
export class UsageError extends Error {}

/** What every bench that is published takes. */
export const publishFlags = {
  json: { type: 'string' },
  save: { type: 'boolean', default: false },
  gate: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig;

export const maxRounds = 1_000;

/** What is not understood is answered with what would be. @throws UsageError */
export function withUsage<T>(usage: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${error.message}\n${usage}`) : error;
  }
}

/** The values of the flags; nothing else may stand on the command line. @throws UsageError */
export function parseFlags<const Flags extends ParseArgsOptionsConfig>(args: readonly string[], options: Flags) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function publishOptions(values: { json?: string; save: boolean; gate: boolean }): PublishOptions {
  return {
    jsonFile: values.json === undefined ? null : resolve(values.json),
    isSaved: values.save,
    isGate: values.gate,
  };
}

/** null when nothing was named. @throws UsageError */
export function names<Name extends string>(
  text: string | undefined,
  known: readonly Name[],
  what: string,
): Name[] | null {
  if (text === undefined) return null;
  return text.split(',').map((part) => {
    const name = known.find((each) => each === part.trim());
    if (name === undefined) throw new UsageError(`there is no ${what} "${part.trim()}": ${known.join(', ')}`);
    return name;
  });
}

/** A whole number from 1. @throws UsageError */
export function count(text: string, most: number, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw new UsageError(`${option} is a number from 1 to ${most}, not "${text}"`);
  }
  return number;
}
