import { rm, stat } from 'node:fs/promises';
import { errnoOf } from '@rbee/contract/plain';
import { journalPathOf, liveJournalPathOf, removeJournal } from './partial/journal.ts';

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
