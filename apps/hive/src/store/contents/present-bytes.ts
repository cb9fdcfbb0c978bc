import { lstat, readdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { digestFile, inspectPartial, olderPathOf } from '@rbee/transfer';
import { ifExists } from '../disk.ts';
import { type Layout, SHA256 } from '../layout.ts';
import { mapConcurrent } from '../map-concurrent.ts';
import { knownDigest } from './known-digest.ts';
import { reached } from './reached.ts';

/** A file of a model, before it is fetched. */
export interface WantedFile {
  /** Path in the repo. */
  readonly path: string;
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Set if a blob of that name may be an older version, so that none of it counts. */
  readonly isUnversioned?: true;
}

/** Where the content of a file is in the store. */
export interface PresentFile {
  readonly path: string;
  readonly bytes: number;
  /** False for a file in the snapshot itself, as tools leave it where there are no links: its name is no digest. */
  readonly isBlob: boolean;
}

/** For each file, the bytes that need not be fetched: all of them, or those that a partial's journals claim. */
export async function presentBytes(
  layout: Layout,
  place: string,
  commit: string,
  files: readonly WantedFile[],
): Promise<number[]> {
  // Lists the folders once, rather than looking up each of ten thousand files.
  const names = new Set(await ifExists(readdir(layout.blobsFolder(place)), []));
  const hasSnapshot = (await reached(layout.snapshotFolder(place, commit))) !== null;
  return mapConcurrent(files, async (file) => {
    const { blobName, size, sha256, gitSha1 } = file;
    if (file.isUnversioned) return 0;
    const found = names.has(blobName) ? await findBlob(layout, place, file) : null;
    const present = found ?? (hasSnapshot ? await findPlainFile(layout, place, commit, file) : null);
    if (present !== null) return present.bytes;
    const partial = layout.partial(place, blobName);
    const older = olderPathOf(partial);
    if (!names.has(basename(partial)) && (older === null || !names.has(basename(older)))) return 0;
    return (await inspectPartial(partial, { size, sha256, gitSha1 }))?.bytes ?? 0;
  });
}

/** A file's content, complete; null if it has to be fetched. A file of another size is not it. */
export async function findFile(
  layout: Layout,
  place: string,
  commit: string,
  file: WantedFile,
): Promise<PresentFile | null> {
  if (file.isUnversioned) return null;
  return (await findBlob(layout, place, file)) ?? (await findPlainFile(layout, place, commit, file));
}

/**
 * The sha256 of a file in the store: the name of its blob if that is one, else what the catalog knows, else a hash of its
 * bytes. Null if the file is not a blob and its bytes do not match the digest that is expected. Rejects with the signal's
 * reason on abort.
 */
export async function sha256Of(
  layout: Layout,
  place: string,
  { path, bytes: size, isBlob }: PresentFile,
  { blobName, sha256, gitSha1 }: Pick<WantedFile, 'blobName' | 'sha256' | 'gitSha1'>,
  signal: AbortSignal,
): Promise<string | null> {
  if (isBlob && SHA256.test(blobName)) return blobName;
  const known = isBlob ? await knownDigest(layout, place, blobName, await stat(path)) : null;
  if (known !== null) return known;
  const isGit = !isBlob && gitSha1 !== null;
  const digests = await digestFile(path, { isGit, size, signal });
  if (isBlob) return digests.sha256;
  const isWrong = (sha256 !== null && digests.sha256 !== sha256) || (isGit && digests.gitSha1 !== gitSha1);
  return isWrong ? null : digests.sha256;
}

/** The size of a blob, over any links; null if there is none. A folder of its name is not a blob. */
export async function blobSize(path: string): Promise<number | null> {
  const stats = await reached(path);
  return stats?.isFile() ? stats.size : null;
}

async function findBlob(layout: Layout, place: string, { blobName, size }: WantedFile): Promise<PresentFile | null> {
  const path = layout.blob(place, blobName);
  const bytes = await blobSize(path);
  return bytes === null || (size !== null && bytes !== size) ? null : { path, bytes, isBlob: true };
}

/** Only with a known size: nothing else says that the file is whole. */
async function findPlainFile(
  layout: Layout,
  place: string,
  commit: string,
  { path: name, size }: WantedFile,
): Promise<PresentFile | null> {
  const path = layout.snapshotFile(place, commit, name);
  if (size === null || (await ifExists(lstat(path), null)) === null) return null;
  return (await blobSize(path)) === size ? { path, bytes: size, isBlob: false } : null;
}
