import { createHash } from 'node:crypto';
import { assertRepoPath, RbeeError } from '@rbee/contract';

/** Long names are cut to this; the store appends suffixes of its own. */
const MAX_NAME_BYTES = 200;
const MAX_PLACE_CHARACTERS = 100;
const MAX_EXTENSION_CHARACTERS = 16;
const URL_DIGITS = 12;

const BLOB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Names that mean devices on some systems, with or without an extension. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)/i;

/**
 * The name of a blob as a server gives it (its ETag). A suffix of partials or locks is refused: the blob could be taken
 * for one.
 * @throws RbeeError DOWNLOAD_FAILED; the message does not repeat the name
 */
export function assertBlobName(name: string): string {
  if (BLOB_NAME.test(name) && !/\.(?:incomplete|lock|rbee-[a-z-]+)$/i.test(name)) return name;
  throw new RbeeError('DOWNLOAD_FAILED', 'the source sent an ETag that cannot be a file name', {
    hint: 'check the mirror or proxy between the hive and the source',
  });
}

/**
 * A safe file name from untrusted text: its last part, without characters that a file system, a terminal or a shell
 * could misread. Null where nothing is left.
 */
export function safeFileName(untrusted: string): string | null {
  const last = untrusted.toWellFormed().normalize('NFKC').split(/[/\\]/).at(-1) ?? '';
  const name = last
    .replaceAll(/[^\p{L}\p{M}\p{N} ._+()=,@-]/gu, '_')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[\s.-]+/, '')
    .replace(/[\s.]+$/, '')
    // These suffixes are the store's own, for unfinished files.
    .replace(/\.(incomplete|lock|rbee-[a-z-]+)$/i, '_$1');
  if (!/[\p{L}\p{N}]/u.test(name)) return null;
  const short = shortened(DEVICE_NAME.test(name) ? `_${name}` : name);
  return assertRepoPath(short, 'DOWNLOAD_FAILED');
}

/** The name of a place in the store: a readable part, and digits that keep two places of the same name apart. */
export function placeName(label: string, unique: string): string {
  const readable = label.replaceAll(/[^A-Za-z0-9.-]+/g, '-').replaceAll(/\.{2,}/g, '.');
  const trimmed = readable.replace(/^[^A-Za-z0-9]+/, '').slice(0, MAX_PLACE_CHARACTERS);
  const digits = createHash('sha256').update(unique).digest('hex').slice(0, URL_DIGITS);
  return `${trimmed || 'x'}--${digits}`;
}

/** 40 hex digits made of the facts that together name one version. */
export function versionOf(facts: readonly (string | number | null)[]): string {
  return createHash('sha1').update(JSON.stringify(facts)).digest('hex');
}

/**
 * The name of a blob without a known digest. The prefix keeps the digits from being taken for a git object id, which
 * names the files of a hub.
 */
export function versionBlobName(commit: string): string {
  return `version-${commit}`;
}

/** Cut to a length that every file system takes; keeps the extension. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= MAX_EXTENSION_CHARACTERS ? name.slice(dot) : '';
  const maxStemBytes = MAX_NAME_BYTES - Buffer.byteLength(extension);
  let stem = '';
  let bytes = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxStemBytes) break;
    stem += character;
  }
  return stem.replace(/[\s.]+$/, '') + extension;
}
