import { homedir } from 'node:os';
import { join } from 'node:path';
import { hiveIdSchema, hiveUrlSchema } from '@rbee/contract';
import {
  absolutePath,
  bandwidth,
  integer,
  jobSettings,
  LOG_LEVELS,
  MIN_TOKEN_LENGTH,
  oneOf,
  type SettingsOf,
  secret,
  setting,
  text,
  tlsSettings,
} from '@rbee/daemon';

export const QUEEN_PREFIX = 'RBEE_QUEEN_';

/** A hive that the settings name. */
export interface FixedHive {
  readonly name: string;
  readonly url: string;
}

/** Every setting of a queen: the source of its flags, environment variables, file keys, `--help` and reference page. */
export const queenSettings = {
  host: text({ env: 'RBEE_QUEEN_HOST', fallback: '127.0.0.1', doc: 'address to listen on' }),
  port: integer({
    env: 'RBEE_QUEEN_PORT',
    fallback: 7833,
    min: 0,
    max: 65_535,
    doc: 'port to listen on; 0 = any free port',
  }),
  ...tlsSettings(QUEEN_PREFIX),
  id: text({
    env: 'RBEE_QUEEN_ID',
    fallback: 'queen-1',
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    doc: 'name of this queen; "orchestrator_id" in relayed events',
  }),
  hives: setting<readonly FixedHive[]>({
    env: 'RBEE_QUEEN_HIVES',
    defaultText: 'none',
    doc: 'hives that need not register: name=url,name=url',
    parse: parseHives,
    show: (hives) => hives.map(({ name, url }) => `${name}=${url}`).join(',') || null,
    fallback: () => [],
  }),
  stateDir: setting({
    env: 'RBEE_QUEEN_STATE_DIR',
    defaultText: '$XDG_STATE_HOME/rbee/queen, else ~/.local/state/rbee/queen',
    doc: 'folder of the state: hives, limits, jobs, placements (SQLite)',
    parse: absolutePath,
    fallback: (env) => join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'rbee', 'queen'),
  }),
  maxBandwidth: bandwidth({
    env: 'RBEE_QUEEN_MAX_BANDWIDTH',
    live: true,
    doc: 'bandwidth shared by all hives that download, e.g. 50MB/s or 400Mbit/s; 0 = unlimited',
  }),
  ...jobSettings(QUEEN_PREFIX),
  apiToken: secret({
    env: 'RBEE_API_TOKEN',
    live: true,
    minLength: MIN_TOKEN_LENGTH,
    doc: `token that clients must send, at least ${MIN_TOKEN_LENGTH} characters; required beyond loopback`,
  }),
  hivesToken: secret({
    env: 'RBEE_QUEEN_TOKEN',
    live: true,
    minLength: MIN_TOKEN_LENGTH,
    doc: `token that hives use to register, and for nothing else, at least ${MIN_TOKEN_LENGTH} characters; none = the API token`,
  }),
  hiveToken: secret({ env: 'RBEE_HIVE_TOKEN', doc: 'API token of the hives' }),
  logLevel: oneOf({
    env: 'RBEE_LOG_LEVEL',
    live: true,
    choices: LOG_LEVELS,
    fallback: 'info',
    doc: 'minimum level to log',
  }),
};

export type QueenSettings = SettingsOf<typeof queenSettings>;

function parseHives(text: string): readonly FixedHive[] {
  const hives = text.split(',').map((part): FixedHive => {
    const [name = '', ...rest] = part.trim().split('=');
    const url = rest.join('=').replace(/\/+$/, '');
    if (!hiveIdSchema.safeParse(name).success)
      throw new Error(`"${name}" is not a name of letters, digits, ".", "_" and "-"`);
    const parsed = hiveUrlSchema.safeParse(url);
    // The URL itself is not repeated: it may contain a password.
    if (!parsed.success) throw new Error(`"${name}" needs ${parsed.error.issues[0]?.message ?? 'a URL'}`);
    return { name, url };
  });
  if (new Set(hives.map(({ name }) => name)).size !== hives.length) throw new Error('two hives have the same name');
  return hives;
}
