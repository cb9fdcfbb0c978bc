import { rm, stat } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract/plain';
import { journalPathOf, liveJournalPathOf, loadJournal, readBootId, removeJournal } from './journal.ts';
import { judgeJournal, type WantedFile } from './judge-journal.ts';
import { bytesOf } from './spans.ts';

/** What the journals of a partial say of it. */
export interface PartialContent {
  /** That count: what the next transfer of the wanted file need not fetch. */
  readonly bytes: number;
  /** Of the whole file; null while it is unknown. */
  readonly total: number | null;
  /** Where the bytes came from, without user, query and fragment. */
  readonly url: string | null;
}

const ANY_FILE: WantedFile = { size: null, sha256: null, gitSha1: null };

/**
 * Looks at a partial without opening it for a transfer, as a transfer of the wanted file would judge it; of whatever
 * file it is of where nothing is wanted. Null where there is no partial.
 */
export async function inspectPartial(partialPath: string, wanted?: WantedFile): Promise<PartialContent | null> {
  const length = await stat(partialPath).then(
    ({ size }) => size,
    () => null,
  );
  if (length === null) return null;
  const loaded = await loadJournal(partialPath, await readBootId());
  const own = loaded.state === 'read' ? loaded.journal : ANY_FILE;
  const { spans, size, source } = judgeJournal(loaded, wanted ?? own, length);
  return { bytes: bytesOf(spans), total: size, url: source?.url ?? null };
}

/** Removes a partial with its journal; answers how many bytes that freed, 0 where there was none. */
export async function discardPartial(partialPath: string): Promise<number> {
  let bytes = 0;
  for (const path of [partialPath, journalPathOf(partialPath), liveJournalPathOf(partialPath)]) {
    bytes += await sizeOf(path);
  }
  // Nothing to remove, perhaps not even the folder: there is nothing to sync then.
  if (bytes > 0) await removeJournal(partialPath);
  // The journal goes first: a partial without one counts as nothing, a journal without its partial claims too much.
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
