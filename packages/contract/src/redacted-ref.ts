import { createHash } from 'node:crypto';
import { type ModelRef, printModelRef } from './model-ref.ts';

/** The length of the shortest token that a daemon accepts. */
const MIN_SECRET_CHARACTERS = 16;
const DIGITS = 12;

/** Names of parameters that carry signatures or credentials at common cloud providers. */
const SECRET_NAME = /sig|token|key|secret|pass|pwd|auth|cred|polic|session|jwt|hmac|^sas$|^code$|^ticket$/i;
/** Names whose values are often long, but not secret. */
const HARMLESS_NAME = /^(?:download|file|file_?name|path|name|model|rev|revision|version|format|raw)$/i;
const HIDDEN = new RegExp(`^hidden-[0-9a-f]{${DIGITS}}$`);

/**
 * A ref that is safe for logs, streams, lists and disks. Signatures and credentials in the query of a URL are replaced by
 * `hidden-` and 12 digits of their digest, so that URLs which differ only in them stay distinct. Other refs are unchanged.
 * `parseModelRef` reads the result, but it cannot be downloaded: see `isRedacted`.
 */
export function redactRef<R extends ModelRef>(ref: R): R {
  if (ref.scheme !== 'https' && ref.scheme !== 'http') return ref;
  const start = ref.url.indexOf('?');
  if (start < 0) return ref;
  const query = ref.url
    .slice(start + 1)
    .split('&')
    .map(hideValue)
    .join('&');
  return { ...ref, url: `${ref.url.slice(0, start)}?${query}` };
}

/** The canonical text of a ref without its secrets. */
export function redactModelRef(ref: ModelRef): string {
  return printModelRef(redactRef(ref));
}

/** Whether a secret part of the URL has been replaced, so that the ref cannot be downloaded. */
export function isRedacted(ref: ModelRef): boolean {
  if (ref.scheme !== 'https' && ref.scheme !== 'http') return false;
  return [...new URL(ref.url).searchParams].some(([name, value]) => HIDDEN.test(value) || HIDDEN.test(name));
}

function hideValue(parameter: string): string {
  const equals = parameter.indexOf('=');
  const name = parameter.slice(0, Math.max(0, equals));
  // Without "=", the whole parameter may be the secret.
  const value = parameter.slice(equals + 1);
  return isSecret(decoded(name), value) ? `${equals < 0 ? '' : `${name}=`}${hidden(value)}` : parameter;
}

function isSecret(name: string, value: string): boolean {
  if (value === '' || HIDDEN.test(value)) return false;
  if (SECRET_NAME.test(name)) return true;
  return value.length >= MIN_SECRET_CHARACTERS && !HARMLESS_NAME.test(name);
}

function hidden(value: string): string {
  return `hidden-${createHash('sha256').update(value).digest('hex').slice(0, DIGITS)}`;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // Not valid percent-encoding: use the name as it is.
    return name;
  }
}
