import { lstat, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@rbee/contract/plain';
import { syncFolder } from '../disk/sync-folder.ts';
import { journalPathOf, liveJournalPathOf, putJournal, removeJournal } from './journal.ts';

/** The path that older versions gave a partial; null if they had none for it. */
export function olderPathOf(partialPath: string): string | null {
  return partialPath.endsWith('.rbee-partial') ? partialPath.replace(/-partial$/, '.incomplete') : null;
}

/**
 * Gives a partial and its journals that an older version left their present names. The journals are copied first and removed last: a crash
 * in between leaves either name complete, and the next call does the rest.
 */
export async function adoptOlder(partialPath: string): Promise<void> {
  const older = olderPathOf(partialPath);
  if (older === null || !(await exists(older)) || (await exists(partialPath))) return;
  // Journals without a partial say nothing about the one that takes the name.
  await removeJournal(partialPath);
  await copyJournal(journalPathOf(older), journalPathOf(partialPath));
  await copyJournal(liveJournalPathOf(older), liveJournalPathOf(partialPath));
  await syncFolder(dirname(partialPath));
  await rename(older, partialPath);
  await syncFolder(dirname(partialPath));
  await removeJournal(older);
}

async function copyJournal(from: string, to: string): Promise<void> {
  try {
    await putJournal(`${to}-new`, to, await readFile(from, 'utf8'), true);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
