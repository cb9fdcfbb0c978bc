import { flagOf, type SettingsTable } from './setting.ts';

/** The text of `--help`: every setting with its flag, meaning, default and environment variable. */
export function helpText(program: string, purpose: string, table: SettingsTable, prefix: string): string {
  const rows = Object.values(table).map((setting) => {
    const value = setting.isSwitch ? '' : ' VALUE';
    const shown = setting.defaultText === '' ? '' : ` (default: ${setting.defaultText})`;
    return `  --${flagOf(setting.env, prefix)}${value}\n      ${setting.doc}${shown}; environment: ${setting.env}`;
  });
  return `${program}: ${purpose}

Usage: ${program} [flags]

Settings are read from flags, then the environment, then --config FILE (TOML), then defaults.

  --config FILE
      TOML file with settings; keys are the flags with "_" for "-"
${rows.join('\n')}
  --print-config
      print all settings as a TOML file with their origins, without secrets
  --help, --version

Runs in the foreground and logs JSON lines to stdout. SIGTERM and SIGINT stop it; SIGHUP reloads its settings.
Exit codes: 0 stopped, 1 could not start, 78 invalid settings.
`;
}
