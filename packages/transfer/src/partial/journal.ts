import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract/plain';
import { syncFolder } from '../disk/sync-folder.ts';
import { bytesOf, type Span } from './spans.ts';

/**
 * What is known about a partial. There may be two journals: a synced one, written only after the bytes it claims are synced, for a power
 * failure; and a live one that claims what was handed to the system, which survives a killed process but not a restart of the system.
 */
export interface Journal {
  /** null: the ranges are synced. Otherwise they are written, and valid only while the system has this boot id. */
  readonly boot: string | null;
  /** Where the bytes came from, without user, query and fragment. */
  readonly url: string;
  /** Strong ETag of the bytes on disk; null if the server sent none. */
  readonly validator: string | null;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Byte ranges on disk, `[start, end)`, in order and apart. */
  readonly ranges: readonly Span[];
}

const FORMAT_VERSION = 2;
/** A journal has a few hundred bytes; even one range per 64 KiB of a large file would fit. */
const maxJournalBytes = 16 * 2 ** 20;
const maxTextLength = 8_192;
/** Older versions named a partial `x.rbee.incomplete`. Hugging Face's tools delete such names, even while they are written. */
const olderEnd = /\.incomplete$/;
const bootIdPath = '/proc/sys/kernel/random/boot_id';

/** The path of the synced journal: `x.rbee-journal` for the partial `x.rbee-partial`. */
export function journalPathOf(partialPath: string): string {
  return siblingPath(partialPath, 'journal');
}

/** The path of the live journal. */
export function liveJournalPathOf(partialPath: string): string {
  return siblingPath(partialPath, 'journal-live');
}

function siblingPath(partialPath: string, what: string): string {
  if (olderEnd.test(partialPath)) return `${partialPath.replace(olderEnd, '')}.${what}.incomplete`;
  return `${partialPath.replace(/-partial$/, '')}-${what}`;
}

/** A URL without the parts that may be secret. */
export function publicUrlOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** The journal as text. The checksum reveals a damaged digit as surely as broken JSON. */
export function printJournal(journal: Journal): string {
  const { boot, url, validator, size, sha256, gitSha1, ranges } = journal;
  const body = { version: FORMAT_VERSION, boot, url, validator, size, sha256, gitSha1, ranges };
  return `${JSON.stringify({ ...body, check: checkOf(JSON.stringify(body)) })}\n`;
}

function checkOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Parses a journal; null if it is damaged, or of a newer or unknown format. */
export function parseJournal(text: string): Journal | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { boot, url, validator, size, sha256, gitSha1, ranges } = value as Record<string, unknown>;
  if (typeof url !== 'string' || url.length > maxTextLength) return null;
  if (!isTextOrNull(boot) || !isTextOrNull(validator) || !isTextOrNull(sha256) || !isTextOrNull(gitSha1)) return null;
  if (size !== null && !isByteCount(size)) return null;
  if (!areRanges(ranges, size)) return null;
  const journal: Journal = { boot, url, validator, size, sha256, gitSha1, ranges };
  // Printing it again and comparing also finds another version, unknown fields, another order and a wrong checksum.
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
  /** Only a live journal, from before the system restarted. */
  | { readonly state: 'outlived' }
  | { readonly state: 'read'; readonly journal: Journal };

/** Reads the journals of a partial. If both are valid, the one that claims more wins. */
export async function loadJournal(partialPath: string, boot: string | null): Promise<LoadedJournal> {
  const synced = await load(journalPathOf(partialPath));
  const live = await load(liveJournalPathOf(partialPath));
  if (live.state !== 'read') return synced.state === 'missing' ? live : synced;
  const isCurrent = boot !== null && live.journal.boot === boot;
  if (!isCurrent) return synced.state === 'missing' ? { state: 'outlived' } : synced;
  return synced.state === 'read' && bytesOf(synced.journal.ranges) > bytesOf(live.journal.ranges) ? synced : live;
}

async function load(path: string): Promise<LoadedJournal> {
  try {
    if ((await stat(path)).size > maxJournalBytes) return { state: 'damaged' };
    const journal = parseJournal(await readFile(path, 'utf8'));
    return journal === null ? { state: 'damaged' } : { state: 'read', journal };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { state: 'missing' };
    throw error;
  }
}

/** Replaces the journal atomically: after a crash there is the old one or the new one, never a mixture. */
export async function saveJournal(partialPath: string, journal: Journal): Promise<void> {
  const isLive = journal.boot !== null;
  const path = isLive ? liveJournalPathOf(partialPath) : journalPathOf(partialPath);
  const temporary = siblingPath(partialPath, isLive ? 'journal-live-new' : 'journal-new');
  // The live journal is only valid until the system restarts, so it need not be durable.
  await putJournal(temporary, path, printJournal(journal), !isLive);
  if (!isLive) await syncFolder(dirname(partialPath));
}

/** Writes the text of a journal under a temporary name and renames it. */
export async function putJournal(temporary: string, path: string, text: string, isSynced: boolean): Promise<void> {
  const handle = await openAfresh(temporary);
  try {
    await handle.writeFile(text);
    if (isSynced) await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** A new file: what has the name goes, so that no link in a shared folder leads the bytes elsewhere. */
async function openAfresh(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, 'wx');
}

/** Removes the live journal. */
export async function removeLiveJournal(partialPath: string): Promise<void> {
  await rm(siblingPath(partialPath, 'journal-live-new'), { force: true });
  await rm(liveJournalPathOf(partialPath), { force: true });
}

/** Removes both journals durably, so that no crash brings back their claims. */
export async function removeJournal(partialPath: string): Promise<void> {
  await removeLiveJournal(partialPath);
  await rm(siblingPath(partialPath, 'journal-new'), { force: true });
  await rm(journalPathOf(partialPath), { force: true });
  await syncFolder(dirname(partialPath));
}

/** The kernel's boot id, which changes with every start of the system; null if there is none. */
export async function readBootId(): Promise<string | null> {
  try {
    const text = (await readFile(bootIdPath, 'utf8')).trim();
    return /^[0-9a-f-]{36}$/.test(text) ? text : null;
  } catch {
    // Only Linux has one. Without it only synced bytes count, which is slower and just as safe.
    return null;
  }
}
