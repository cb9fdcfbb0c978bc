import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** The command line was not understood; the message says which part of it. */
export class UsageError extends Error {}

/** One option of a command line. */
export interface Option<T> {
  /** What follows its name in the help; null for a switch. */
  readonly value: string | null;
  readonly help: string;
  /** @throws UsageError */
  read(text: string | undefined, flag: string): T;
}

/** Options by their name without the dashes. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<Table extends OptionTable> = {
  readonly [Name in keyof Table]: ReturnType<Table[Name]['read']>;
};

const maxRounds = 1_000;
const bytesPerUnit: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const nameColumns = 20;

/** A whole number from 1 to `max`. */
export const count = (fallback: number, max: number, help: string): Option<number> => ({
  value: 'N',
  help: `${help} (${fallback})`,
  read(text = String(fallback), flag) {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1 && number <= max) return number;
    throw new UsageError(`${flag} takes a number from 1 to ${max}, not "${text}"`);
  },
});

export const rounds = (fallback: number): Option<number> =>
  count(fallback, maxRounds, 'measured rounds; those before them are discarded');

/** A number of bytes with its unit. */
export const size = (fallback: string, help: string): Option<number> => ({
  value: 'SIZE',
  help: `${help}, such as 256MiB (${fallback})`,
  read(text = fallback, flag) {
    const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
    const bytes = Math.round(Number(number) * (bytesPerUnit[unit ?? ''] ?? Number.NaN));
    if (Number.isSafeInteger(bytes) && bytes >= 1) return bytes;
    throw new UsageError(`${flag} takes a size such as 256MiB, not "${text}"`);
  },
});

/** Some of the known names, separated by commas; null where the option is not given. */
export const names = <Name extends string>(known: readonly Name[], help: string): Option<readonly Name[] | null> => ({
  value: 'NAMES',
  help: `${help}: ${known.join(', ')}`,
  read(text, flag) {
    if (text === undefined) return null;
    return text.split(',').map((part) => {
      const name = known.find((each) => each === part.trim());
      if (name === undefined) throw new UsageError(`${flag} does not know "${part.trim()}": ${known.join(', ')}`);
      return name;
    });
  },
});

export const path = <Fallback extends string | null>(
  value: string,
  fallback: Fallback,
  help: string,
): Option<string | Fallback> => ({ value, help, read: (text) => (text === undefined ? fallback : resolve(text)) });

export const toggle = (help: string): Option<boolean> => ({ value: null, help, read: (text) => text !== undefined });

/** The values of all options; nothing else may stand on the command line. @throws UsageError */
export function parseOptions<Table extends OptionTable>(args: readonly string[], table: Table): ValuesOf<Table> {
  const config = Object.entries(table).map(
    ([name, { value }]) => [name, { type: value === null ? 'boolean' : 'string' }] as const,
  );
  const given = parsed(args, Object.fromEntries(config));
  const values = Object.entries(table).map(([name, option]) => {
    const text = given[name];
    return [name, option.read(text === undefined ? undefined : String(text), `--${name}`)];
  });
  return Object.fromEntries(values) as ValuesOf<Table>;
}

/** One line for each option. */
export function helpOf(table: OptionTable): string {
  return Object.entries(table)
    .map(([name, { value, help }]) => {
      const usage = `--${name}${value === null ? '' : ` ${value}`}`;
      return `  ${usage.padEnd(nameColumns)}${help}\n`;
    })
    .join('');
}

function parsed(args: readonly string[], options: Record<string, { readonly type: 'boolean' | 'string' }>) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
