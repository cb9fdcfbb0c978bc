import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './http-fault.ts';
import { syncFolder } from './sync-folder.ts';

/** What is known of a partial: written only after the bytes that it claims are synced. */
export interface Journal {
  /** Where the bytes came from, without user, query and fragment. */
  readonly url: string;
  /** Strong ETag of what is on disk; null where the server gave none. */
  readonly validator: string | null;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Byte ranges on disk, `[start, end)`, in order and apart. */
  readonly ranges: readonly (readonly [number, number])[];
}

const FORMAT_VERSION = 1;
/** A journal is a few hundred bytes; with one range per 64 KiB of a large file it would still be below this. */
const maxJournalBytes = 16 * 2 ** 20;
const maxTextLength = 8_192;

/** The journal's path. Like the partial's own it ends in `.incomplete`: nothing else in the folder may. */
export function journalPathOf(partialPath: string): string {
  return `${partialPath.replace(/\.incomplete$/, '')}.journal.incomplete`;
}

function temporaryPathOf(partialPath: string): string {
  return `${partialPath.replace(/\.incomplete$/, '')}.journal-new.incomplete`;
}

/** A URL without what may be secret in it. */
export function publicUrlOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** The journal as text. The checksum makes a damaged digit as visible as broken JSON. */
export function printJournal(journal: Journal): string {
  const { url, validator, size, sha256, gitSha1, ranges } = journal;
  const body = { version: FORMAT_VERSION, url, validator, size, sha256, gitSha1, ranges };
  return `${JSON.stringify({ ...body, check: checkOf(JSON.stringify(body)) })}\n`;
}

function checkOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The journal that a text holds; null where it is damaged, or of a newer or unknown format. */
export function parseJournal(text: string): Journal | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { url, validator, size, sha256, gitSha1, ranges } = value as Record<string, unknown>;
  if (typeof url !== 'string' || url.length > maxTextLength) return null;
  if (!isTextOrNull(validator) || !isTextOrNull(sha256) || !isTextOrNull(gitSha1)) return null;
  if (size !== null && !isByteCount(size)) return null;
  if (!areRanges(ranges, size)) return null;
  const journal: Journal = { url, validator, size, sha256, gitSha1, ranges };
  // Printing again and comparing also finds another version, unknown fields, another order and a wrong checksum.
  return printJournal(journal) === text ? journal : null;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && value.length <= maxTextLength);
}

function isByteCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function areRanges(value: unknown, size: number | null): value is [number, number][] {
  if (!Array.isArray(value)) return false;
  let last = -1;
  for (const range of value as unknown[]) {
    if (!Array.isArray(range) || range.length !== 2) return false;
    const [start, end] = range as unknown[];
    if (!isByteCount(start) || !isByteCount(end)) return false;
    if (start <= last || end <= start || (size !== null && end > size)) return false;
    last = end;
  }
  return true;
}

export type LoadedJournal =
  | { readonly state: 'missing' }
  | { readonly state: 'damaged' }
  | { readonly state: 'read'; readonly journal: Journal };

export async function loadJournal(partialPath: string): Promise<LoadedJournal> {
  const path = journalPathOf(partialPath);
  try {
    if ((await stat(path)).size > maxJournalBytes) return { state: 'damaged' };
    const journal = parseJournal(await readFile(path, 'utf8'));
    return journal === null ? { state: 'damaged' } : { state: 'read', journal };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { state: 'missing' };
    throw error;
  }
}

/** Puts a journal in place of the old one: after a crash there is the one or the other, never a mixture. */
export async function saveJournal(partialPath: string, journal: Journal): Promise<void> {
  const temporary = temporaryPathOf(partialPath);
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(printJournal(journal));
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(temporary, journalPathOf(partialPath));
  await syncFolder(dirname(partialPath));
}

/** Removes the journal for good, so that no crash brings back its claims. */
export async function removeJournal(partialPath: string): Promise<void> {
  await rm(temporaryPathOf(partialPath), { force: true });
  await rm(journalPathOf(partialPath), { force: true });
  await syncFolder(dirname(partialPath));
}
