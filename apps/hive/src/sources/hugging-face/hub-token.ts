import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The token of the hub at this moment. */
export interface HubToken {
  /** What to send; null where there is none, or none that the hub accepts. */
  current(): string | null;
  /** The hub refused this token. Returns whether to ask again: with another one, or without any. */
  refused(token: string): boolean;
  /** What is wrong with a token that is there and not sent; null where nothing is. */
  problem(): string | null;
}

/** A token of the settings: it stays what it is until a restart, and whoever set it wants to know that it is refused. */
export function fixedToken(token: string | null): HubToken {
  return { current: () => token, refused: () => false, problem: () => null };
}

interface Seen {
  readonly stamp: string;
  readonly token: string | null;
}

/**
 * The token that `hf auth login` wrote to a file. It is read again when the file changes: `hf` replaces tokens that expire. One that the
 * hub refuses is no longer sent, so that public models can be downloaded, until the file has another.
 */
export function loginToken(path: string, now: () => number): HubToken {
  let seen: Seen = { stamp: '', token: null };
  let refusedToken: string | null = null;
  const read = (): string | null => {
    const stamp = stampOf(path);
    if (stamp !== seen.stamp) seen = { stamp, token: stamp === '' ? null : readToken(path) };
    return seen.token;
  };
  return {
    current() {
      const token = read();
      return token === refusedToken ? null : token;
    },
    refused(token) {
      // Two writes within the resolution of the file's time look like one.
      seen = { stamp: '', token: null };
      if (read() === token) refusedToken = token;
      return true;
    },
    problem() {
      const token = read();
      if (token === null || token !== refusedToken) return null;
      const expiresAt = expiryOf(token, join(dirname(path), 'stored_tokens'));
      const hasExpired = expiresAt !== null && expiresAt <= now();
      return hasExpired
        ? `the token of "hf auth login" expired at ${new Date(expiresAt).toISOString()}`
        : 'the hub refuses the token of "hf auth login"';
    },
  };
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    // A file that is not there, or not to be read, is as good as no login.
    return '';
  }
}

function readToken(path: string): string | null {
  try {
    const token = readFileSync(path, 'utf8').trim();
    return /^[\x21-\x7e]+$/.test(token) ? token : null;
  } catch {
    return null;
  }
}

const MAX_EXPIRY_SECS = 8e12;

/**
 * When a token expires, in milliseconds since the epoch: `stored_tokens` has a section for each login, with `hf_token` and, for a login
 * by browser, `expires_at` in seconds (huggingface_hub, `_save_token`). Null where it does not say.
 */
function expiryOf(token: string, storedTokens: string): number | null {
  let text: string;
  try {
    text = readFileSync(storedTokens, 'utf8');
  } catch {
    return null;
  }
  for (const section of text.split(/^\[/m)) {
    const fields = new Map<string, string>();
    for (const line of section.split('\n')) {
      const [, name, value] = /^\s*(\w+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
      if (name !== undefined && value !== undefined) fields.set(name.toLowerCase(), value);
    }
    const expiresAt = fields.get('expires_at') ?? '';
    if (fields.get('hf_token') !== token || !/^\d{1,13}$/.test(expiresAt)) continue;
    return Number(expiresAt) <= MAX_EXPIRY_SECS ? Number(expiresAt) * 1_000 : null;
  }
  return null;
}
