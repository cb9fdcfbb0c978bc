import type { Setting } from './settings/setting.ts';

// biome-ignore lint/suspicious/noExplicitAny: a table holds settings of any type; `SettingsOf` gives each back its own.
export type SettingsTable = Readonly<Record<string, Setting<any>>>;

export type SettingsOf<Table extends SettingsTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Setting<infer T> ? T : never;
};

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
