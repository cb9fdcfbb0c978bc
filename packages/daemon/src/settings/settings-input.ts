import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { Environment } from './setting.ts';
import { flagOf, keyOf, type SettingsTable } from './setting.ts';

export interface SettingsInput {
  /** The arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** The prefix of the daemon's own settings, such as `RBEE_HIVE_`; flags leave it out. */
  readonly prefix: string;
}

/** Flags without a value that are not settings. */
const COMMANDS = ['help', 'version', 'print-config'];

/** The flags of a command line by name. Adds what is wrong to `problems`. */
export function readFlags(table: SettingsTable, input: SettingsInput, problems: string[]): Map<string, string> {
  const switches = new Set(COMMANDS);
  const known = new Set([...COMMANDS, 'config']);
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

/** The values of a TOML file by key, as text. Adds what is wrong to `problems`. */
export function readFile(
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
      const text = textOf(value);
      if (!keys.has(key)) problems.push(`${path}: "${key}" is not a setting`);
      else if (text === null) problems.push(`${path}: "${key}" must be a string, number, boolean or list`);
      else values.set(key, text);
    }
  } catch (error) {
    problems.push(`--config ${path}: ${fileProblem(error)}`);
  }
  return values;
}

function textOf(value: unknown): string | null {
  if (Array.isArray(value)) {
    const parts = value.map(textOf);
    return parts.includes(null) ? null : parts.join(',');
  }
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value) ? String(value) : null;
}

// The parser's own message quotes the lines around the error, which may contain a token.
function fileProblem(error: unknown): string {
  if (error instanceof TomlError) return `line ${error.line}, column ${error.column} is not valid TOML`;
  return error instanceof Error ? error.message : String(error);
}
