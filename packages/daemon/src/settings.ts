import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse as parseToml } from 'smol-toml';
import { type Environment, problemOf, type Setting, type ShownValue } from './setting.ts';

// biome-ignore lint/suspicious/noExplicitAny: a table holds settings of any type; `SettingsOf` gives each back its own.
export type SettingsTable = Readonly<Record<string, Setting<any>>>;

export type SettingsOf<Table extends SettingsTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Setting<infer T> ? T : never;
};

/** Every problem of the settings, in one message. The daemon ends with exit code 78 (EX_CONFIG of sysexits.h). */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`bad settings:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

export interface SettingsInput {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** The daemon's own prefix, left out of its flags: `RBEE_HIVE_`. */
  readonly prefix: string;
}

/** All that is wrong with settings that are each right by themselves. A value that is bad is missing. */
type Check<Table extends SettingsTable> = (values: Partial<SettingsOf<Table>>) => readonly string[];

/** What a settings table is called with beside its own flags. */
export type Invocation<Table extends SettingsTable> =
  | { readonly kind: 'run'; readonly settings: SettingsOf<Table> }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/**
 * The flag of a setting: `RBEE_HIVE_PORT` is `--port`, `RBEE_API_TOKEN` is `--api-token`, `HF_TOKEN` is `--hf-token`. A token
 * always says whose it is: `RBEE_QUEEN_TOKEN` is `--queen-token`, also at a queen.
 */
export function flagOf(env: string, prefix: string): string {
  const name =
    env.startsWith(prefix) && env !== `${prefix}TOKEN` ? env.slice(prefix.length) : env.replace(/^RBEE_/, '');
  return name.toLowerCase().replaceAll('_', '-');
}

/** The key of a setting in the TOML file: its flag with underscores. */
export function keyOf(env: string, prefix: string): string {
  return flagOf(env, prefix).replaceAll('-', '_');
}

/**
 * Reads the settings: flag, then environment, then `--config FILE` (TOML), then default.
 * @throws SettingsError with every problem that there is
 */
export function readSettings<Table extends SettingsTable>(
  table: Table,
  input: SettingsInput,
  check: Check<Table> = () => [],
): Invocation<Table> {
  const problems: string[] = [];
  const flags = readFlags(table, input, problems);
  if (flags.has('help')) return { kind: 'help' };
  if (flags.has('version')) return { kind: 'version' };
  const file = readFile(table, flags.get('config'), input.prefix, problems);
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(table)) {
    const flag = flagOf(setting.env, input.prefix);
    const sources: [string, string | undefined][] = [
      [`--${flag}`, flags.get(flag)],
      [setting.env, input.env[setting.env] || undefined],
      [`${flags.get('config')}: ${keyOf(setting.env, input.prefix)}`, file.get(keyOf(setting.env, input.prefix))],
    ];
    const found = sources.find(([, text]) => text !== undefined);
    try {
      values[key] = found?.[1] === undefined ? setting.fallback(input.env) : setting.parse(found[1]);
    } catch (error) {
      problems.push(`${found?.[0] ?? setting.env}: ${setting.secret ? secretProblem(error) : problemOf(error)}`);
    }
  }
  problems.push(...check(values as Partial<SettingsOf<Table>>));
  if (problems.length > 0) throw new SettingsError(problems);
  return { kind: 'run', settings: values as SettingsOf<Table> };
}

/** The settings as `/v1/info` answers them: by their keys, secrets left out. */
export function settingsInForce<Table extends SettingsTable>(
  table: Table,
  settings: SettingsOf<Table>,
  prefix: string,
): Record<string, ShownValue> {
  const shown: Record<string, ShownValue> = {};
  for (const [key, setting] of Object.entries(table)) {
    if (!setting.secret) shown[keyOf(setting.env, prefix)] = setting.show(settings[key]);
  }
  return shown;
}

// A parser's message may repeat the text: with a secret only the length rule is said.
function secretProblem(error: unknown): string {
  const message = problemOf(error);
  return message.startsWith('it ') ? message : 'it is not understood';
}

function readFlags(table: SettingsTable, input: SettingsInput, problems: string[]): Map<string, string> {
  const switches = new Set(['help', 'version']);
  const known = new Set(['help', 'version', 'config']);
  for (const setting of Object.values(table)) {
    const flag = flagOf(setting.env, input.prefix);
    known.add(flag);
    if (setting.isSwitch) switches.add(flag);
  }
  const options = Object.fromEntries(
    [...known].map((flag) => [flag, { type: switches.has(flag) ? ('boolean' as const) : ('string' as const) }]),
  );
  const { tokens } = parseArgs({ args: [...input.argv], options, strict: false, tokens: true });
  const flags = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`"${token.value}" is not a setting; settings start with --`);
    if (token.kind !== 'option') continue;
    if (!known.has(token.name)) problems.push(`${token.rawName} is not a setting; --help lists them`);
    else if (token.value === undefined && !switches.has(token.name)) problems.push(`${token.rawName} has no value`);
    else flags.set(token.name, token.value ?? 'true');
  }
  return flags;
}

function readFile(
  table: SettingsTable,
  path: string | undefined,
  prefix: string,
  problems: string[],
): Map<string, string> {
  const values = new Map<string, string>();
  if (path === undefined) return values;
  const keys = new Set(Object.values(table).map((setting) => keyOf(setting.env, prefix)));
  try {
    for (const [key, value] of Object.entries(parseToml(readFileSync(path, 'utf8')))) {
      if (!keys.has(key)) problems.push(`${path}: "${key}" is not a setting`);
      else values.set(key, Array.isArray(value) ? value.join(',') : String(value));
    }
  } catch (error) {
    problems.push(`--config ${path}: ${problemOf(error)}`);
  }
  return values;
}
