import { flagOf, type SettingsTable } from './setting.ts';

/** The text of `--help`: every setting with its flag, environment variable, default and meaning. */
export function helpText(program: string, purpose: string, table: SettingsTable, prefix: string): string {
  const rows = Object.values(table).map((setting) => {
    const value = setting.isSwitch ? '' : ' VALUE';
    const shown = setting.defaultText === '' ? '' : ` (default: ${setting.defaultText})`;
    return `  --${flagOf(setting.env, prefix)}${value}\n      ${setting.doc}${shown}; environment: ${setting.env}`;
  });
  return `${program}: ${purpose}

Usage: ${program} [flags]

Settings come from flag, then environment, then --config FILE (TOML), then default.

  --config FILE
      a TOML file; its keys are the flags with "_" in place of "-"
${rows.join('\n')}
  --print-config
      prints the settings as such a file, each with where it comes from, and ends; secrets are left out
  --help, --version

It stays in the foreground, logs JSON lines to stdout, and ends on SIGTERM or SIGINT. SIGHUP reads the settings again.
Exit codes: 0 ended in order, 1 could not start, 78 bad settings.
`;
}
