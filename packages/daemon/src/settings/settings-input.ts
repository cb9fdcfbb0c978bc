import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse as parseToml, TomlError } from 'smol-toml';
import type { Environment } from './setting.ts';
import { flagOf, keyOf, type SettingsTable } from './setting.ts';

export interface SettingsInput {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** The daemon's own prefix, left out of its flags: `RBEE_HIVE_`. */
  readonly prefix: string;
}

/** Flags that are no settings, and stand alone. */
const COMMANDS = ['help', 'version', 'print-config'];

/** The flags of a command line by their names. What is wrong with it is added to the problems. */
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

/** The values of a TOML file by their keys, as text. What is wrong with it is added to the problems. */
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
      else if (text === null) problems.push(`${path}: "${key}" is neither a text, a number, true, false nor a list`);
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

// The parser's own message shows the lines around the fault, and a token may be in them.
function fileProblem(error: unknown): string {
  if (error instanceof TomlError) return `line ${error.line}, column ${error.column} is not TOML`;
  return error instanceof Error ? error.message : String(error);
}
