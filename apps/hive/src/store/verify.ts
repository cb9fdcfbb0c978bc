import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type ErrorCode, errnoOf, type ModelVerified, RbeeError } from '@rbee/contract';
import { digestFile, errorOfDisk } from '@rbee/transfer';
import type { StoreDeps } from './cleanup/remove.ts';
import { readOnePlace } from './contents/list-store.ts';
import type { SnapshotName } from './contents/read-place.ts';
import type { ModelFile, StoredModel } from './contents/stored-model.ts';
import { ifExists } from './disk.ts';
import { SHA256 } from './layout.ts';

export interface VerifyOptions {
  readonly signal: AbortSignal;
  /** Called before each file, with its size. */
  readonly onFile: (path: string, bytes: number) => void;
  /** Verdicts by path, so that a file that several models share is read once. */
  readonly known: Map<string, Verdict>;
}

type VerifiedModel = ModelVerified['models'][number];
type Problem = VerifiedModel['problems'][number];

interface Verdict {
  /** Bytes read. */
  readonly bytes: number;
  /** Null if the file is fine. */
  readonly fault: { readonly code: ErrorCode; readonly message: string } | null;
  /** The file that was read; a download may have replaced it since. */
  readonly seen?: Pick<Stats, 'ino' | 'mtimeMs'>;
}

const GIT_SHA1 = /^[0-9a-f]{40}$/;

/**
 * Reads every byte of a model and compares its digests. A damaged file is moved aside, so that a final name still means
 * verified, and the next download fetches the file again.
 */
export async function verifyModel(deps: StoreDeps, model: StoredModel, options: VerifyOptions): Promise<VerifiedModel> {
  const { state } = await readOnePlace(deps.layout, model.place);
  const names = new Map((state.snapshots.get(model.commit) ?? []).map((name) => [name.path, name]));
  const problems: Problem[] = [];
  let bytes = 0;
  for (const file of model.files) {
    const verdict = await verdictOf(deps, model, file, names.get(file.path), options);
    bytes += verdict.bytes;
    if (verdict.fault !== null) problems.push({ path: file.path, ...verdict.fault });
  }
  const { id: model_id, modelRef: model_ref, files } = model;
  return { model_id, model_ref, ok: problems.length === 0, files: files.length, bytes, problems };
}

async function verdictOf(
  deps: StoreDeps,
  { place, commit }: StoredModel,
  file: ModelFile,
  name: SnapshotName | undefined,
  options: VerifyOptions,
): Promise<Verdict> {
  if (name === undefined || name.content === null) return { bytes: 0, fault: missing(file.path) };
  const isCopy = name.kind === 'file' || name.blobName === null;
  const path = isCopy ? deps.layout.snapshotFile(place, commit, file.path) : deps.layout.blob(place, name.blobName);
  const known = options.known.get(path);
  if (known !== undefined) return { ...known, bytes: 0 };
  options.onFile(file.path, name.content.bytes);
  const verdict = await readAndCompare(deps, place, path, file, options.signal);
  const isDamaged = verdict.fault?.code === 'CHECKSUM_MISMATCH';
  const settled = isDamaged ? await moveAside(deps, place, path, file, verdict) : verdict;
  options.known.set(path, settled);
  return settled;
}

async function readAndCompare(
  { locks }: StoreDeps,
  place: string,
  path: string,
  { path: name, blobName, bytes: expectedBytes, sha256 }: ModelFile,
  signal: AbortSignal,
): Promise<Verdict> {
  const release = await locks.acquireShared(place, signal);
  try {
    const stats = await ifExists(stat(path), null);
    if (stats === null) return { bytes: 0, fault: missing(name) };
    if (stats.size !== expectedBytes) {
      const sizes = `has ${stats.size} bytes instead of ${expectedBytes}`;
      return { bytes: 0, fault: { code: 'CHECKSUM_MISMATCH', message: `${name} ${sizes}` }, seen: stats };
    }
    const expectedGit = blobName !== null && GIT_SHA1.test(blobName) ? blobName : null;
    const expected = sha256 ?? (blobName !== null && SHA256.test(blobName) ? blobName : null);
    const digests = await digestFile(path, { isGit: expectedGit !== null, size: stats.size, signal });
    const isWrong =
      (expected !== null && digests.sha256 !== expected) || (expectedGit !== null && digests.gitSha1 !== expectedGit);
    const fault = { code: 'CHECKSUM_MISMATCH' as const, message: `${name} does not match its digest` };
    return { bytes: stats.size, fault: isWrong ? fault : null, seen: stats };
  } catch (error) {
    signal.throwIfAborted();
    const fault = await errorOfDisk(error, path, null);
    if (!(fault instanceof RbeeError)) throw error;
    const { code } = fault;
    return { bytes: 0, fault: { code, message: `${name} cannot be read (${errnoOf(error)})` } };
  } finally {
    release();
  }
}

/** Takes the final name off a damaged file, unless a download is using the place and would find its blob gone. */
async function moveAside(
  { locks, disk, layout }: StoreDeps,
  place: string,
  path: string,
  { blobName }: ModelFile,
  { bytes, fault, seen }: Verdict,
): Promise<Verdict> {
  const verdict = (what: string): Verdict => ({
    bytes,
    fault: fault && { ...fault, message: `${fault.message}; ${what}` },
  });
  if (blobName === null) return verdict('another tool wrote it, so it stays where it is');
  try {
    const release = await locks.acquireExclusive(place);
    try {
      const now = await ifExists(stat(path), null);
      if (now === null || now.ino !== seen?.ino || now.mtimeMs !== seen.mtimeMs)
        return verdict('it has been fetched again since: verify again');
      await disk.makeFolder(layout.blobsFolder(place));
      await disk.rename(path, layout.damaged(place, blobName));
      await disk.syncFolder(layout.blobsFolder(place));
    } finally {
      release();
    }
    return verdict('it was moved aside; the next download of the model fetches it again');
  } catch (error) {
    if (error instanceof RbeeError && error.code === 'STATUS_CONFLICT')
      return verdict('a download is using it, so it stays where it is: verify again afterwards');
    throw error;
  }
}

function missing(name: string): Verdict['fault'] {
  return { code: 'MODEL_NOT_FOUND', message: `${name} is missing; download the model again to repair it` };
}
