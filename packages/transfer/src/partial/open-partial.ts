import { dirname } from 'node:path';
import { makeFolder } from '../disk/sync-folder.ts';
import { loadJournal, readBootId, removeJournal } from './journal.ts';
import { judgeJournal, nothingFrom, type WantedFile } from './judge-journal.ts';
import { adoptOlder } from './older-names.ts';
import { openOwn } from './own-name.ts';
import { PartialFile } from './partial-file.ts';

/** Opens or creates a partial; bytes that are not proven to belong to the wanted file are discarded. */
export async function openPartial(
  path: string,
  wanted: WantedFile,
  release?: (chunk: Buffer) => void,
): Promise<PartialFile> {
  await makeFolder(dirname(path));
  await adoptOlder(path);
  const boot = await readBootId();
  const loaded = await loadJournal(path, boot);
  const { handle, wasForeign } = await openOwn(path);
  try {
    const { size: length } = await handle.stat();
    const origin = wasForeign ? nothingFrom('foreign') : judgeJournal(loaded, wanted, length);
    if (loaded.state !== 'missing' && origin.spans.length === 0) await removeJournal(path);
    // Unclaimed bytes may be holes, or belong to another file.
    const claimedEnd = origin.spans.at(-1)?.[1] ?? 0;
    if (length > claimedEnd) await handle.truncate(claimedEnd);
    return new PartialFile(path, handle, wanted, origin, boot, release);
  } catch (error) {
    await handle.close();
    throw error;
  }
}
