import { constants, createReadStream, createWriteStream, type Stats } from 'node:fs';
import { copyFile, lstat, readdir, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { claimPrefix, discardPartial, inspectPartial, makeFolder } from '@rbee/transfer';
import type { WantedFile } from './contents/present-bytes.ts';
import { ifExists } from './disk.ts';
import { type Layout, splitPlace } from './layout.ts';
import { mapConcurrent } from './map-concurrent.ts';

/**
 * What follows the name of a blob while another tool fetches it: `.incomplete` of huggingface_hub before 1.28 and of
 * `@huggingface/hub`, the same with a random part of later ones, `.downloadInProgress` of llama.cpp.
 */
const FOREIGN = /^(?:\.[0-9a-f]{8})?\.incomplete$|^\.downloadInProgress$/;
/** The unit of `blocks`, whatever the file system. */
const BLOCK_BYTES = 512;

interface Unfinished {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Copies what another tool has of a file into our partial, if we have nothing of it and a digest can tell whether it
 * belongs there. Their file is only read: the tool may still be writing it. Returns the bytes that need not be fetched.
 */
export async function adoptForeignPartial(
  layout: Layout,
  place: string,
  file: WantedFile,
  signal: AbortSignal,
): Promise<number> {
  const partial = layout.partial(place, file.blobName);
  const own = await inspectPartial(partial, file);
  if (own !== null && own.bytes > 0) return 0;
  const found = await longest(layout, place, file, await namesOfOthers(layout, place));
  if (found === null) return 0;
  await discardPartial(partial);
  await makeFolder(dirname(partial));
  await copyStart(found, partial, signal);
  await claimPrefix(partial, { bytes: found.bytes, url: pathToFileURL(found.path).href }, file);
  return found.bytes;
}

/** For each file, the bytes that `adoptForeignPartial` would copy. */
export async function foreignBytes(layout: Layout, place: string, files: readonly WantedFile[]): Promise<number[]> {
  const names = await namesOfOthers(layout, place);
  if (names.length === 0) return files.map(() => 0);
  return mapConcurrent(files, async (file) => (await longest(layout, place, file, names))?.bytes ?? 0);
}

async function namesOfOthers(layout: Layout, place: string): Promise<readonly string[]> {
  // Only hives write in the places of other sources.
  if (splitPlace(place)[0] !== 'hf') return [];
  const names = await ifExists(readdir(layout.blobsFolder(place)), []);
  return names.filter((name) => /\.(?:incomplete|downloadInProgress)$/.test(name));
}

/** The longest one that is a prefix, where a digest can judge it: a file with holes was written by several connections. */
async function longest(
  layout: Layout,
  place: string,
  { blobName, size, sha256, gitSha1, isUnversioned }: WantedFile,
  names: readonly string[],
): Promise<Unfinished | null> {
  if (size === null || isUnversioned || (sha256 === null && gitSha1 === null)) return null;
  const folder = layout.blobsFolder(place);
  let best: Unfinished | null = null;
  for (const name of names) {
    if (!name.startsWith(blobName) || !FOREIGN.test(name.slice(blobName.length))) continue;
    const path = join(folder, name);
    const stats = await ifExists(lstat(path), null);
    if (stats !== null && isPrefix(stats) && stats.size <= size && stats.size > (best?.bytes ?? 0))
      best = { path, bytes: stats.size };
  }
  return best;
}

function isPrefix(stats: Stats): boolean {
  return stats.isFile() && stats.nlink === 1 && stats.blocks * BLOCK_BYTES >= stats.size;
}

/** A clone where the file system can share blocks, else a copy. */
async function copyStart({ path, bytes }: Unfinished, to: string, signal: AbortSignal): Promise<void> {
  try {
    await copyFile(path, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    // The tool may have written more since.
    await truncate(to, bytes);
  } catch {
    // Whatever the clone could not do, the copy reports if it cannot do it either.
    await rm(to, { force: true });
    await pipeline(createReadStream(path, { end: bytes - 1 }), createWriteStream(to, { flags: 'wx' }), { signal });
  }
}
