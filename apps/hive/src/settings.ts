import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { hiveIdSchema, SCHEMES } from '@rbee/contract';
import {
  absolutePath,
  bandwidth,
  duration,
  type Environment,
  integer,
  jobSettings,
  LOG_LEVELS,
  MIN_TOKEN_LENGTH,
  oneOf,
  type SettingsOf,
  secret,
  setting,
  someOf,
  text,
  tlsSettings,
  toggle,
  url,
} from '@rbee/daemon';

export const HIVE_PREFIX = 'RBEE_HIVE_';

const MAX_INTERVAL_MS = 24 * 3_600_000;

/** Every setting of a hive: it drives flags, environment, the settings file, `--help` and the reference page. */
export const hiveSettings = {
  host: text({ env: 'RBEE_HIVE_HOST', fallback: '127.0.0.1', doc: 'address to listen on' }),
  port: integer({
    env: 'RBEE_HIVE_PORT',
    fallback: 7835,
    min: 0,
    max: 65_535,
    doc: 'port to listen on; 0 takes a free one',
  }),
  ...tlsSettings(HIVE_PREFIX),
  id: setting({
    env: 'RBEE_HIVE_ID',
    defaultText: 'host name',
    doc: 'its name in the fleet',
    parse: parseHiveId,
    fallback: () => parseHiveId(hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-')),
  }),
  advertisedUrl: url({
    env: 'RBEE_HIVE_ADVERTISED_URL',
    defaultText: 'from host and port',
    fallback: null,
    doc: 'the URL at which the queen reaches it',
  }),
  queenUrl: url({ env: 'RBEE_HIVE_QUEEN_URL', fallback: null, doc: 'queen to register with; none = stand-alone' }),
  modelsDir: setting({
    env: 'RBEE_HIVE_MODELS_DIR',
    defaultText: '$HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub',
    doc: 'model store',
    parse: absolutePath,
    fallback: defaultModelsDir,
  }),
  stateDir: setting({
    env: 'RBEE_HIVE_STATE_DIR',
    defaultText: '$XDG_STATE_HOME/rbee/hive, else ~/.local/state/rbee/hive',
    doc: 'job and download history, one SQLite file',
    parse: absolutePath,
    fallback: (env) => join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'rbee', 'hive'),
  }),
  maxConcurrentDownloads: integer({
    env: 'RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS',
    live: true,
    fallback: 3,
    min: 1,
    max: 1_000,
    doc: 'downloads that run at once; those beyond it are queued',
  }),
  maxConnections: integer({
    env: 'RBEE_HIVE_MAX_CONNECTIONS',
    fallback: 8,
    min: 1,
    max: 64,
    doc: 'connections for one download, over all its files; it starts with one and takes more while they help',
  }),
  maxBandwidth: bandwidth({
    env: 'RBEE_HIVE_MAX_BANDWIDTH',
    live: true,
    doc: 'limit of the whole hive: 50MB/s, 400Mbit/s, 0 = unlimited; can be changed while it runs',
  }),
  heartbeatIntervalMs: duration({
    env: 'RBEE_HIVE_HEARTBEAT_INTERVAL',
    fallback: '10s',
    minMs: 50,
    maxMs: MAX_INTERVAL_MS,
    doc: 'narration while a download runs',
  }),
  stallTimeoutMs: duration({
    env: 'RBEE_HIVE_STALL_TIMEOUT',
    fallback: '60s',
    minMs: 100,
    maxMs: MAX_INTERVAL_MS,
    doc: 'no byte for this long = the connection is stalled',
  }),
  headersTimeoutMs: duration({
    env: 'RBEE_HIVE_HEADERS_TIMEOUT',
    fallback: '30s',
    minMs: 100,
    maxMs: MAX_INTERVAL_MS,
    doc: 'no response headers for this long = the attempt failed',
  }),
  retryAttempts: integer({
    env: 'RBEE_HIVE_RETRY_ATTEMPTS',
    fallback: 6,
    min: 1,
    max: 100,
    doc: 'attempts in a row that bring no byte before a download fails',
  }),
  retryBaseDelayMs: duration({
    env: 'RBEE_HIVE_RETRY_BASE_DELAY',
    fallback: '100ms',
    minMs: 1,
    maxMs: 30_000,
    doc: 'first wait between attempts; doubles to 30 s, with a jitter of x0.5 to x1.5',
  }),
  allowedSources: someOf({
    env: 'RBEE_HIVE_ALLOWED_SOURCES',
    live: true,
    choices: SCHEMES,
    fallback: ['hf', 'https', 'ollama'],
    doc: 'schemes that a client may ask for, separated by commas; http and file must be switched on',
  }),
  allowPrivateSources: toggle({
    env: 'RBEE_HIVE_ALLOW_PRIVATE_SOURCES',
    doc: 'may URLs, beside the hub and the registry themselves, resolve to loopback, private or link-local addresses',
  }),
  plainReads: toggle({ env: 'RBEE_HIVE_PLAIN_READS', doc: 'read sockets without the memory pool: slower' }),
  ollamaRegistry: url({
    env: 'RBEE_HIVE_OLLAMA_REGISTRY',
    fallback: 'https://registry.ollama.ai',
    doc: 'for ollama: refs that name no host',
  }),
  hfEndpoint: url({ env: 'HF_ENDPOINT', fallback: 'https://huggingface.co', doc: 'the hub' }),
  hfToken: setting({
    env: 'HF_TOKEN',
    defaultText: 'the token file of "hf auth login"',
    doc: 'token for the hub; sent to its own origin only',
    secret: true,
    parse: (value): string | null => headerToken(value.trim()),
    fallback: tokenOfLogin,
  }),
  hfHubOffline: toggle({ env: 'HF_HUB_OFFLINE', doc: 'never ask the hub: what the store has is all there is' }),
  ...jobSettings(HIVE_PREFIX),
  apiToken: secret({
    env: 'RBEE_API_TOKEN',
    live: true,
    minLength: MIN_TOKEN_LENGTH,
    doc: `what clients must send, ${MIN_TOKEN_LENGTH} characters or more; needed to listen beyond loopback`,
  }),
  queenToken: secret({ env: 'RBEE_QUEEN_TOKEN', doc: 'what the hive sends to the queen' }),
  logLevel: oneOf({
    env: 'RBEE_LOG_LEVEL',
    live: true,
    choices: LOG_LEVELS,
    fallback: 'info',
    doc: 'least level that is logged',
  }),
};

export type HiveSettings = SettingsOf<typeof hiveSettings>;

function parseHiveId(value: string): string {
  const parsed = hiveIdSchema.safeParse(value);
  if (!parsed.success) throw new Error(`"${value}" is not ${parsed.error.issues[0]?.message ?? 'a name'}`);
  return parsed.data;
}

// The order in which huggingface_hub looks (its environment variables page).
function hfHome(env: Environment): string {
  return env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface');
}

function defaultModelsDir(env: Environment): string {
  return resolve(env['HF_HUB_CACHE'] || join(hfHome(env), 'hub'));
}

function tokenOfLogin(env: Environment): string | null {
  try {
    const token = readFileSync(env['HF_TOKEN_PATH'] || join(hfHome(env), 'token'), 'utf8').trim();
    return token === '' ? null : headerToken(token);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`the token file cannot be read: ${(error as Error).message}`);
  }
}

function headerToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error('the token has characters that cannot stand in a header');
}
