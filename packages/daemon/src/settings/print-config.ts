import { stringify } from 'smol-toml';
import type { FoundSettings } from './read-settings.ts';
import { fingerprint } from './secret-digest.ts';
import { keyOf, type SettingsTable } from './setting.ts';

/**
 * The settings as a TOML file that `--config` reads again, each with where it comes from. What has no value, is secret
 * or is bad stands in a comment; of a secret it shows 6 hex digits of its SHA-256.
 */
export function printConfig<Table extends SettingsTable>(
  program: string,
  table: Table,
  found: FoundSettings<Table>,
  prefix: string,
): string {
  const lines = Object.entries(table).map(([key, setting]) => {
    const name = keyOf(setting.env, prefix);
    const origin = oneLine(found.origins[key] ?? '');
    if (!Object.hasOwn(found.values, key)) return `# ${name} is not valid (${origin})`;
    const value = setting.write(found.values[key]);
    if (value === null) return `# ${name} is not set (${origin})`;
    if (setting.secret) return `# ${name} is set, fingerprint ${fingerprint(String(value))} (${origin})`;
    return `${stringify({ [name]: value }).trim()} # ${origin}`;
  });
  return `# The settings of ${program}, with where each comes from. Secrets are left out.\n${lines.join('\n')}\n`;
}

// A path may hold a line break, which would end the comment.
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
