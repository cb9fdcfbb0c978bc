import { flagOf, keyOf, problemOf, type SettingsOf, type SettingsTable, type ShownValue } from './setting.ts';
import { readFile, readFlags, type SettingsInput } from './settings-input.ts';

/** All problems of the settings in one message. The daemon exits with code 78 (EX_CONFIG of sysexits.h). */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`invalid settings:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Finds problems between settings that are each valid. Invalid values are missing. */
type Check<Table extends SettingsTable> = (values: Partial<SettingsOf<Table>>) => readonly string[];

/** Settings as found. Invalid values are missing. */
export interface FoundSettings<Table extends SettingsTable> {
  readonly values: Partial<SettingsOf<Table>>;
  /** The origin of each: a flag, an environment variable, the path of the file, or `default`. */
  readonly origins: Readonly<Record<keyof Table, string>>;
  readonly problems: readonly string[];
}

/** What the command line wants: to run, or to print something. */
export type Invocation<Table extends SettingsTable> =
  | { readonly kind: 'run'; readonly settings: SettingsOf<Table> }
  | { readonly kind: 'print'; readonly found: FoundSettings<Table> }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/**
 * Reads the settings from flags, then the environment, then `--config FILE` (TOML), then defaults.
 * @throws SettingsError with all problems, unless the settings are only printed
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
  const found = findSettings(table, input, flags, problems);
  problems.push(...check(found.values));
  if (flags.has('print-config')) return { kind: 'print', found };
  if (problems.length > 0) throw new SettingsError(problems);
  return { kind: 'run', settings: found.values as SettingsOf<Table> };
}

function findSettings<Table extends SettingsTable>(
  table: Table,
  { env, prefix }: SettingsInput,
  flags: ReadonlyMap<string, string>,
  problems: string[],
): FoundSettings<Table> {
  const path = flags.get('config');
  const file = readFile(table, path, prefix, problems);
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const [key, setting] of Object.entries(table)) {
    const flag = flagOf(setting.env, prefix);
    const fileKey = keyOf(setting.env, prefix);
    const sources: [origin: string, label: string, text: string | undefined][] = [
      [`--${flag}`, `--${flag}`, flags.get(flag)],
      [setting.env, setting.env, env[setting.env] || undefined],
      [path ?? '', `${path}: ${fileKey}`, file.get(fileKey)],
    ];
    const [origin, label, text] = sources.find((source) => source[2] !== undefined) ?? ['default', setting.env];
    origins[key] = origin;
    try {
      values[key] = text === undefined ? setting.fallback(env) : setting.parse(text);
    } catch (error) {
      problems.push(`${label}: ${setting.secret ? secretProblem(error) : problemOf(error)}`);
    }
  }
  return { values: values as Partial<SettingsOf<Table>>, origins: origins as Record<keyof Table, string>, problems };
}

/** The settings as `/v1/info` shows them: by key, without secrets. */
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

// A parser's message may repeat the value; for a secret, only fixed messages are shown.
function secretProblem(error: unknown): string {
  const message = problemOf(error);
  return message.startsWith('it ') ? message : 'it is not valid';
}
