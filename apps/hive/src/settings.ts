import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
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
import { expandPath } from './expand-path.ts';

export const HIVE_PREFIX = 'RBEE_HIVE_';

const MAX_INTERVAL_MS = 24 * 3_600_000;

/** Every setting of a hive: the source of its flags, environment variables, file keys, `--help` and reference page. */
export const hiveSettings = {
  host: text({ env: 'RBEE_HIVE_HOST', fallback: '127.0.0.1', doc: 'address to listen on' }),
  port: integer({
    env: 'RBEE_HIVE_PORT',
    fallback: 7835,
    min: 0,
    max: 65_535,
    doc: 'port to listen on; 0 = any free port',
  }),
  ...tlsSettings(HIVE_PREFIX),
  id: setting({
    env: 'RBEE_HIVE_ID',
    defaultText: 'host name',
    doc: 'name of this hive in the fleet',
    parse: parseHiveId,
    fallback: () => parseHiveId(hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-')),
  }),
  advertisedUrl: url({
    env: 'RBEE_HIVE_ADVERTISED_URL',
    defaultText: 'from host and port',
    fallback: null,
    doc: 'URL at which the queen reaches this hive',
  }),
  queenUrl: url({ env: 'RBEE_HIVE_QUEEN_URL', fallback: null, doc: 'queen to register with; none = standalone' }),
  modelsDir: setting({
    env: 'RBEE_HIVE_MODELS_DIR',
    defaultText: '$HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub',
    doc: 'folder of the model store',
    parse: absolutePath,
    fallback: defaultModelsDir,
  }),
  stateDir: setting({
    env: 'RBEE_HIVE_STATE_DIR',
    defaultText: '$XDG_STATE_HOME/rbee/hive, else ~/.local/state/rbee/hive',
    doc: 'folder of the job and download history (SQLite)',
    parse: absolutePath,
    fallback: (env) => expandPath(join(env.XDG_STATE_HOME || join('~', '.local', 'state'), 'rbee', 'hive'), env),
  }),
  maxConcurrentDownloads: integer({
    env: 'RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS',
    live: true,
    fallback: 3,
    min: 1,
    max: 1_000,
    doc: 'maximum number of parallel downloads; more are queued',
  }),
  maxConnections: integer({
    env: 'RBEE_HIVE_MAX_CONNECTIONS',
    fallback: 8,
    min: 1,
    max: 64,
    doc: 'maximum connections per download; starts with one and adds more while that is faster',
  }),
  maxBandwidth: bandwidth({
    env: 'RBEE_HIVE_MAX_BANDWIDTH',
    live: true,
    doc: 'bandwidth limit of this hive, e.g. 50MB/s or 400Mbit/s; 0 = unlimited',
  }),
  heartbeatIntervalMs: duration({
    env: 'RBEE_HIVE_HEARTBEAT_INTERVAL',
    fallback: '10s',
    minMs: 50,
    maxMs: MAX_INTERVAL_MS,
    doc: 'interval of progress lines in job output',
  }),
  stallTimeoutMs: duration({
    env: 'RBEE_HIVE_STALL_TIMEOUT',
    fallback: '60s',
    minMs: 100,
    maxMs: MAX_INTERVAL_MS,
    doc: 'drop a connection after this long without data',
  }),
  headersTimeoutMs: duration({
    env: 'RBEE_HIVE_HEADERS_TIMEOUT',
    fallback: '30s',
    minMs: 100,
    maxMs: MAX_INTERVAL_MS,
    doc: 'fail an attempt after this long without complete response headers',
  }),
  retryAttempts: integer({
    env: 'RBEE_HIVE_RETRY_ATTEMPTS',
    fallback: 6,
    min: 1,
    max: 100,
    doc: 'attempts in a row without progress before a download fails',
  }),
  retryWindowMs: duration({
    env: 'RBEE_HIVE_RETRY_WINDOW',
    fallback: '15m',
    minMs: 0,
    maxMs: MAX_INTERVAL_MS,
    doc: 'in an outage, retry for at least this long after the last new byte, however many attempts that takes',
  }),
  retryBaseDelayMs: duration({
    env: 'RBEE_HIVE_RETRY_BASE_DELAY',
    fallback: '100ms',
    minMs: 1,
    maxMs: 30_000,
    doc: 'first delay between attempts; doubles up to 30 s, with jitter of x0.5 to x1.5',
  }),
  allowedSources: someOf({
    env: 'RBEE_HIVE_ALLOWED_SOURCES',
    live: true,
    choices: SCHEMES,
    fallback: ['hf', 'https', 'ollama'],
    doc: 'allowed sources, comma-separated; http and file are off by default',
  }),
  allowPrivateSources: toggle({
    env: 'RBEE_HIVE_ALLOW_PRIVATE_SOURCES',
    doc: 'allow URLs that resolve to private, loopback or link-local addresses (the hub and registry are exempt)',
  }),
  plainReads: toggle({ env: 'RBEE_HIVE_PLAIN_READS', doc: 'read sockets without the memory pool: slower' }),
  ollamaRegistry: url({
    env: 'RBEE_HIVE_OLLAMA_REGISTRY',
    fallback: 'https://registry.ollama.ai',
    doc: 'registry of ollama: models without a host',
  }),
  hfEndpoint: url({ env: 'HF_ENDPOINT', fallback: 'https://huggingface.co', doc: 'URL of the Hugging Face hub' }),
  hfToken: setting({
    env: 'HF_TOKEN',
    defaultText: '$HUGGING_FACE_HUB_TOKEN, else the token file',
    doc: 'access token for the hub; sent to the origin of HF_ENDPOINT only',
    secret: true,
    parse: (value): string | null => headerToken(value.trim()),
    fallback: tokenOfLogin,
  }),
  hfTokenPath: setting({
    env: 'HF_TOKEN_PATH',
    defaultText: '$HF_HOME/token, else ~/.cache/huggingface/token',
    doc: 'file of "hf auth login" with the token; read again when it changes',
    parse: (path): string => tokenPath({ HF_TOKEN_PATH: path }),
    fallback: tokenPath,
  }),
  hfHubOffline: toggle({ env: 'HF_HUB_OFFLINE', doc: 'never contact the hub; use only what the store has' }),
  ...jobSettings(HIVE_PREFIX),
  apiToken: secret({
    env: 'RBEE_API_TOKEN',
    live: true,
    minLength: MIN_TOKEN_LENGTH,
    doc: `token that clients must send, at least ${MIN_TOKEN_LENGTH} characters; required beyond loopback`,
  }),
  queenToken: secret({ env: 'RBEE_QUEEN_TOKEN', doc: 'API token of the queen' }),
  logLevel: oneOf({
    env: 'RBEE_LOG_LEVEL',
    live: true,
    choices: LOG_LEVELS,
    fallback: 'info',
    doc: 'minimum level to log',
  }),
};

export type HiveSettings = SettingsOf<typeof hiveSettings>;

function parseHiveId(value: string): string {
  const parsed = hiveIdSchema.safeParse(value);
  if (!parsed.success) throw new Error(`"${value}" is not ${parsed.error.issues[0]?.message ?? 'a name'}`);
  return parsed.data;
}

// The order of huggingface_hub (its page on environment variables).
function hfHome(env: Environment): string {
  return expandPath(env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join('~', '.cache'), 'huggingface'), env);
}

function defaultModelsDir(env: Environment): string {
  const named = env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'];
  return resolve(named ? expandPath(named, env) : join(hfHome(env), 'hub'));
}

/** The file that `hf auth login` writes. */
function tokenPath(env: Environment): string {
  const named = env['HF_TOKEN_PATH'];
  return resolve(named ? expandPath(named, env) : join(hfHome(env), 'token'));
}

// The order of huggingface_hub: the older variable still counts before the file.
function tokenOfLogin(env: Environment): string | null {
  const older = env['HUGGING_FACE_HUB_TOKEN']?.trim();
  if (older) return headerToken(older);
  try {
    const token = readFileSync(tokenPath(env), 'utf8').trim();
    return token === '' ? null : headerToken(token);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`cannot read the token file: ${(error as Error).message}`);
  }
}

function headerToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error('the token contains characters that are not allowed in a header');
}
