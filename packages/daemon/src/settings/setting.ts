import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { parseBandwidth, parseDuration, RbeeError, toSeconds } from '@rbee/contract';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One setting: its name, parser and description. The flag and the file key follow from the name. */
export interface Setting<T> {
  /** The name of the environment variable. */
  readonly env: string;
  /** One line for the reference page and `--help`. */
  readonly doc: string;
  /** The default as the reference page shows it. */
  readonly defaultText: string;
  /** Never shown, logged or sent. */
  readonly secret: boolean;
  /** A flag that needs no value. */
  readonly isSwitch: boolean;
  /** SIGHUP applies changes while the daemon runs. */
  readonly live: boolean;
  /** Whether this change of a live setting needs a restart anyway. */
  readonly needsRestart: (before: T, after: T) => boolean;
  readonly parse: (text: string) => T;
  readonly fallback: (env: Environment) => T;
  /** The value as `/v1/info` shows it. */
  readonly show: (value: T) => ShownValue;
  /** The value in a form that `parse` reads; null if there is none. */
  readonly write: (value: T) => ShownValue;
}

/** The settings of a daemon by their names in code. */
// biome-ignore lint/suspicious/noExplicitAny: a table holds settings of any type; `SettingsOf` restores each one's own.
export type SettingsTable = Readonly<Record<string, Setting<any>>>;

/** The values of a table of settings. */
export type SettingsOf<Table extends SettingsTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Setting<infer T> ? T : never;
};

/** A JSON scalar. */
export type ShownValue = string | number | boolean | null;

interface Described {
  readonly env: string;
  readonly doc: string;
  readonly defaultText?: string;
  readonly live?: true;
}

/**
 * The flag of a setting: `RBEE_HIVE_PORT` is `--port`, `RBEE_API_TOKEN` is `--api-token`, `HF_TOKEN` is `--hf-token`. The
 * flag of a token always names its owner: `RBEE_QUEEN_TOKEN` is `--queen-token`, even on a queen.
 */
export function flagOf(env: string, prefix: string): string {
  const name =
    env.startsWith(prefix) && env !== `${prefix}TOKEN` ? env.slice(prefix.length) : env.replace(/^RBEE_/, '');
  return name.toLowerCase().replaceAll('_', '-');
}

/** The key of a setting in a TOML file: its flag with underscores. */
export function keyOf(env: string, prefix: string): string {
  return flagOf(env, prefix).replaceAll('-', '_');
}

/** A setting with its own parser. `fallback` may read the environment. */
export function setting<T>(
  described: Described & {
    parse: (text: string) => T;
    fallback: (env: Environment) => T;
    show?: (value: T) => ShownValue;
    write?: (value: T) => ShownValue;
    secret?: boolean;
    needsRestart?: (before: T, after: T) => boolean;
  },
): Setting<T> {
  const { show = (value: T) => value as ShownValue } = described;
  const defaults = { defaultText: '', secret: false, isSwitch: false, live: false, needsRestart: () => false };
  return { ...defaults, write: show, ...described, show };
}

/** A text that matches a pattern. */
export function text(described: Described & { fallback: string; pattern?: RegExp }): Setting<string> {
  const { fallback, pattern = /./s, ...rest } = described;
  const parse = (value: string) => {
    if (!pattern.test(value)) throw new Error(`"${value}" has the wrong format`);
    return value;
  };
  return setting({ defaultText: fallback, ...rest, parse, fallback: () => fallback });
}

/** A secret of at least `minLength` characters; null if none is set. */
export function secret(described: Described & { minLength?: number }): Setting<string | null> {
  const { minLength = 1, ...rest } = described;
  const parse = (value: string) => {
    if (value.length < minLength) throw new Error(`it has fewer than ${minLength} characters`);
    if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('it contains characters that are not allowed in a header');
    return value;
  };
  return setting({ defaultText: 'none', ...rest, parse, fallback: () => null, secret: true });
}

/** A whole number in a range. */
export function integer(described: Described & { min: number; max: number; fallback: number }): Setting<number> {
  const { min, max, fallback, ...rest } = described;
  const parse = (value: string) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`"${value}" is not a whole number from ${min} to ${max}`);
    return number;
  };
  return setting({ defaultText: String(fallback), ...rest, parse, fallback: () => fallback });
}

/** A duration such as `10s` or `100ms`, in milliseconds; shown in seconds. */
export function duration(described: Described & { fallback: string; minMs: number; maxMs: number }): Setting<number> {
  const { fallback, minMs, maxMs, ...rest } = described;
  const parse = (value: string) => {
    const ms = parseDuration(value);
    if (ms < minMs || ms > maxMs) throw new Error(`"${value}" is not between ${minMs} ms and ${maxMs} ms`);
    return ms;
  };
  const show = (ms: number) => toSeconds(ms);
  const write = (ms: number) => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`);
  return setting({ defaultText: fallback, ...rest, parse, show, write, fallback: () => parseDuration(fallback) });
}

/** Bytes per second; null = unlimited. */
export function bandwidth(described: Described): Setting<number | null> {
  const write = (bytesPerSecond: number | null) => bytesPerSecond ?? 'unlimited';
  return setting({ defaultText: 'unlimited', ...described, parse: parseBandwidth, write, fallback: () => null });
}

/** On or off. */
export function toggle(described: Described): Setting<boolean> {
  const parse = (value: string) => {
    if (/^(?:true|1|yes|on)$/i.test(value)) return true;
    if (/^(?:false|0|no|off)$/i.test(value)) return false;
    throw new Error(`"${value}" is neither true nor false`);
  };
  return { ...setting({ defaultText: 'false', ...described, parse, fallback: () => false }), isSwitch: true };
}

/** One of several choices. */
export function oneOf<const T extends string>(
  described: Described & { choices: readonly T[]; fallback: T },
): Setting<T> {
  const { choices, fallback, ...rest } = described;
  const parse = (value: string) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new Error(`"${value}" is not one of ${choices.join(', ')}`);
    return choice;
  };
  return setting({ defaultText: fallback, ...rest, parse, fallback: () => fallback });
}

/** Any of several choices, separated by commas. */
export function someOf<const T extends string>(
  described: Described & { choices: readonly T[]; fallback: readonly T[] },
): Setting<ReadonlySet<T>> {
  const { choices, fallback, ...rest } = described;
  const parse = (value: string) => {
    const wanted = value.split(',').map((part) => part.trim());
    const unknown = wanted.filter((part) => !(choices as readonly string[]).includes(part));
    if (unknown.length > 0) throw new Error(`"${unknown.join(', ')}" is not one of ${choices.join(', ')}`);
    return new Set(choices.filter((choice) => wanted.includes(choice)));
  };
  const show = (chosen: ReadonlySet<T>) => [...chosen].join(',');
  return setting<ReadonlySet<T>>({
    defaultText: fallback.join(','),
    ...rest,
    parse,
    show,
    fallback: () => new Set(fallback),
  });
}

/** An http or https URL that paths are appended to, without a slash at its end. */
export function url<F extends string | null>(described: Described & { fallback: F }): Setting<string | F> {
  const { fallback, ...rest } = described;
  const parse = (value: string): string => {
    const parsed = URL.canParse(value) ? new URL(value) : null;
    if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new Error('it is not an http or https URL');
    if (parsed.username !== '' || parsed.password !== '') throw new Error('it contains credentials');
    // Paths are appended to it, and would end up in the query.
    if (/[?#]/.test(value)) throw new Error('it contains a query or a fragment');
    return value.replace(/\/+$/, '');
  };
  return setting<string | F>({ defaultText: fallback ?? 'none', ...rest, parse, fallback: () => fallback });
}

/** Parses an absolute path; `~/` is the home folder. */
export function absolutePath(value: string): string {
  const expanded = value.startsWith('~/') ? join(homedir(), value.slice(2)) : value;
  if (!isAbsolute(expanded)) throw new Error(`"${value}" is not an absolute path`);
  return resolve(expanded);
}

/** The text of a parser's error for the list of problems. */
export function problemOf(error: unknown): string {
  if (error instanceof RbeeError) return `${error.message}; ${error.hint ?? ''}`;
  return error instanceof Error ? error.message : String(error);
}
