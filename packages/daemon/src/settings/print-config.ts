import { printable } from '@rbee/contract';
import { stringify } from 'smol-toml';
import type { FoundSettings } from './read-settings.ts';
import { fingerprint } from './secret-digest.ts';
import { keyOf, type SettingsTable } from './setting.ts';

/**
 * The settings as a TOML file for `--config`, each with its origin. Unset, secret and invalid ones are comments; a secret
 * is shown by the first 6 hex digits of its SHA-256.
 */
export function printConfig<Table extends SettingsTable>(
  program: string,
  table: Table,
  found: FoundSettings<Table>,
  prefix: string,
): string {
  const lines = Object.entries(table).map(([key, setting]) => {
    const name = keyOf(setting.env, prefix);
    // A path may contain a line break, which would end the comment.
    const origin = printable(found.origins[key] ?? '');
    if (!Object.hasOwn(found.values, key)) return `# ${name} is not valid (${origin})`;
    const value = setting.write(found.values[key]);
    if (value === null) return `# ${name} is not set (${origin})`;
    if (setting.secret) return `# ${name} is set, fingerprint ${fingerprint(String(value))} (${origin})`;
    return `${stringify({ [name]: value }).trim()} # ${origin}`;
  });
  return `# Settings of ${program} with their origins, without secrets.\n${lines.join('\n')}\n`;
}
