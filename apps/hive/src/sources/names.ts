import { createHash } from 'node:crypto';
import { assertRepoPath, RbeeError } from '@rbee/contract';

/** What is left of a long name; the store puts suffixes of its own behind it. */
const MAX_NAME_BYTES = 200;
const MAX_PLACE_CHARACTERS = 100;
const MAX_EXTENSION_CHARACTERS = 16;
const URL_DIGITS = 12;

const BLOB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Names that are devices on some systems, with and without an extension. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)/i;

/**
 * The name of a blob as a server gives it (its ETag). What ends as a partial does could be taken for one.
 * @throws RbeeError DOWNLOAD_FAILED; the message does not repeat the name
 */
export function assertBlobName(name: string): string {
  if (BLOB_NAME.test(name) && !/\.(?:incomplete|lock)$/i.test(name)) return name;
  throw new RbeeError('DOWNLOAD_FAILED', 'the source names the content by something that cannot be a file name', {
    hint: 'what stands in for the source answers wrongly',
  });
}

/**
 * A file name made of what a stranger says: the last part of it, without what a file system, a terminal or a shell may
 * take for something else. Null where nothing is left.
 */
export function safeFileName(said: string): string | null {
  const last = said.toWellFormed().normalize('NFKC').split(/[/\\]/).at(-1) ?? '';
  const name = last
    .replaceAll(/[^\p{L}\p{M}\p{N} ._+()=,@-]/gu, '_')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[\s.-]+/, '')
    .replace(/[\s.]+$/, '')
    // What the store itself calls unfinished files must stay the store's.
    .replace(/\.(incomplete|lock)$/i, '_$1');
  if (!/[\p{L}\p{N}]/u.test(name)) return null;
  const short = shortened(DEVICE_NAME.test(name) ? `_${name}` : name);
  return assertRepoPath(short, 'DOWNLOAD_FAILED');
}

/** The name of a place in the store: a part that a person knows, and digits that keep two of the same name apart. */
export function placeName(known: string, unique: string): string {
  const readable = known.replaceAll(/[^A-Za-z0-9.-]+/g, '-').replaceAll(/\.{2,}/g, '.');
  const trimmed = readable.replace(/^[^A-Za-z0-9]+/, '').slice(0, MAX_PLACE_CHARACTERS);
  const digits = createHash('sha256').update(unique).digest('hex').slice(0, URL_DIGITS);
  return `${trimmed || 'x'}--${digits}`;
}

/** 40 hex digits that stand for facts which together name one version. */
export function versionOf(facts: readonly (string | number | null)[]): string {
  return createHash('sha1').update(JSON.stringify(facts)).digest('hex');
}

/**
 * What a blob is called whose content is not known by a digest. The prefix keeps the digits from being taken for a git
 * object id, which a file of a hub is named by.
 */
export function versionBlobName(commit: string): string {
  return `version-${commit}`;
}

/** Short enough for every file system, with its extension. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= MAX_EXTENSION_CHARACTERS ? name.slice(dot) : '';
  const room = MAX_NAME_BYTES - Buffer.byteLength(extension);
  let stem = '';
  let bytes = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    stem += character;
  }
  return stem.replace(/[\s.]+$/, '') + extension;
}
