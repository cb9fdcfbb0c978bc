import { open } from 'node:fs/promises';
import { saveJournal } from './journal.ts';
import type { WantedFile } from './judge-journal.ts';

/** Bytes at the start of a partial that came from elsewhere than a transfer. */
export interface Prefix {
  readonly bytes: number;
  /** Where they came from. */
  readonly url: string;
}

/**
 * Makes what is in the partial durable, and claims it as the beginning of the wanted file. Only a digest can prove it, so
 * that has to be known.
 */
export async function claimPrefix(partialPath: string, { bytes, url }: Prefix, wanted: WantedFile): Promise<void> {
  const { size, sha256, gitSha1 } = wanted;
  if (sha256 === null && gitSha1 === null) throw new Error('nothing could prove the prefix');
  const handle = await open(partialPath, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await saveJournal(partialPath, { boot: null, url, validator: null, size, sha256, gitSha1, ranges: [[0, bytes]] });
}
