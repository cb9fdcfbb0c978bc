import { rm, stat } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract/plain';
import { journalPathOf, liveJournalPathOf, loadJournal, readBootId, removeJournal } from './journal.ts';
import { judgeJournal, type WantedFile } from './judge-journal.ts';
import { olderPathOf } from './older-names.ts';
import { bytesOf } from './spans.ts';

/** A partial according to its journals. */
export interface PartialContent {
  /** Usable bytes: what the next transfer of the wanted file need not fetch. */
  readonly bytes: number;
  /** Size of the whole file; null if unknown. */
  readonly total: number | null;
  /** Where the bytes came from, without user, query and fragment. */
  readonly url: string | null;
}

const ANY_FILE: WantedFile = { size: null, sha256: null, gitSha1: null };

/**
 * Inspects a partial without opening it for a transfer, and judges it as a transfer of the wanted file would; without `wanted`, as a transfer
 * of the file that it belongs to. Null if there is no partial.
 */
export async function inspectPartial(partialPath: string, wanted?: WantedFile): Promise<PartialContent | null> {
  const length = await stat(partialPath).then(
    ({ size }) => size,
    () => null,
  );
  const older = olderPathOf(partialPath);
  if (length === null) return older === null ? null : inspectPartial(older, wanted);
  const loaded = await loadJournal(partialPath, await readBootId());
  const own = loaded.state === 'read' ? loaded.journal : ANY_FILE;
  const { spans, size, source } = judgeJournal(loaded, wanted ?? own, length);
  return { bytes: bytesOf(spans), total: size, url: source?.url ?? null };
}

/** Removes a partial with its journals, also under its older name; resolves with the number of bytes freed, 0 if there was none. */
export async function discardPartial(partialPath: string): Promise<number> {
  const older = olderPathOf(partialPath);
  let bytes = older === null ? 0 : await discardPartial(older);
  for (const path of [partialPath, journalPathOf(partialPath), liveJournalPathOf(partialPath)]) {
    bytes += await sizeOf(path);
  }
  // If there is nothing to remove, perhaps not even the folder, there is nothing to sync.
  if (bytes > 0) await removeJournal(partialPath);
  // The journals go first: a partial without one counts as nothing, a journal without its partial claims too much.
  await rm(partialPath, { force: true });
  return bytes;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return 0;
    throw error;
  }
}
