import { stat } from 'node:fs/promises';
import { readBootId } from '../boot-id.ts';
import { loadJournal } from './journal.ts';
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
