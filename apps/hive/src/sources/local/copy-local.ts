import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatBytes, RbeeError } from '@rbee/contract';
import { errorOfDisk, spaceNeeded, syncFolder, type TransferState } from '@rbee/transfer';
import type { LocalOriginal } from '../source.ts';
import type { CopyMessage, CopyTask } from './copy-worker.ts';
import { errorOfOriginal, lookAtFile } from './local-file.ts';

export interface CopyRequest {
  readonly original: LocalOriginal;
  /** Where the file grows: on the file system of its final name. */
  readonly partialPath: string;
  readonly finalPath: string;
  /** What the content must hash to; null where nothing is known. */
  readonly sha256: string | null;
  /** For messages. */
  readonly name: string;
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onState: (state: TransferState) => void;
}

/** How the bytes came into the store without being copied; null where they have to be. */
type Shortcut = 'clone' | 'link' | null;

/**
 * Brings a file of this machine under its final name: cloned where the file system can share blocks, linked where nobody
 * may write to the original, else copied; hashed in a thread of its own, synced, renamed. The answer is its sha256.
 * @throws RbeeError SOURCE_CHANGED where the original changed meanwhile, CHECKSUM_MISMATCH, DISK_FULL,
 *   STORE_NOT_WRITABLE, what `errorOfOriginal` says; the signal's reason when aborted
 */
export async function copyLocal(request: CopyRequest, options: CopyOptions): Promise<string> {
  const { original, partialPath, finalPath } = request;
  options.signal.throwIfAborted();
  const before = await unchanged(request);
  try {
    await mkdir(dirname(partialPath), { recursive: true });
    // Never written over: what an earlier run left may be a link to the original.
    await rm(partialPath, { force: true });
    const shortcut = await takeShortcut(original.path, partialPath, before.isReadOnly);
    if (shortcut === null) await assertRoom(partialPath, before.size);
    const sha256 = await readThrough(request, options, before.size, shortcut);
    options.onState(stateOf('verifying', before.size, before.size));
    await unchanged(request);
    checkDigest(request, sha256);
    await rename(partialPath, finalPath);
    await syncFolder(dirname(finalPath));
    return sha256;
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    await rm(partialPath, { force: true });
    throw await errorOfDisk(error, partialPath, before.size);
  }
}

async function unchanged({ original, name }: CopyRequest) {
  const now = await lookAtFile(original.path);
  if (now.version === original.version) return now;
  throw new RbeeError('SOURCE_CHANGED', `${name} changed while it was being copied`, {
    hint: 'try again when nobody writes to it',
  });
}

/**
 * A clone shares blocks until one of the two is written to; a link is the same file under two names, which is as safe
 * only where nobody may write to it.
 */
async function takeShortcut(from: string, to: string, isReadOnly: boolean): Promise<Shortcut> {
  if (await succeeds(() => clone(from, to))) return 'clone';
  await rm(to, { force: true });
  // Whatever else than the kind of file system was in the way shows again when the file is copied.
  return isReadOnly && (await succeeds(() => link(from, to))) ? 'link' : null;
}

async function clone(from: string, to: string): Promise<void> {
  const placeholder = await open(to, 'wx');
  const { mode } = await placeholder.stat();
  await placeholder.close();
  await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
  // The copy got the mode of the original; the store's files have that of their folder's owner.
  await chmod(to, mode & 0o777);
}

async function succeeds(action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch {
    return false;
  }
}

async function assertRoom(path: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const [needed, free] = [spaceNeeded(size), bavail * bsize];
  if (needed <= free) return;
  throw new RbeeError('DISK_FULL', `${formatBytes(needed)} are needed and ${formatBytes(free)} are free`, {
    hint: 'free some room and retry',
    details: { needed_bytes: needed, free_bytes: free },
  });
}

/** Hashes the file, and copies it on the way where there was no shortcut. */
function readThrough(request: CopyRequest, options: CopyOptions, size: number, shortcut: Shortcut): Promise<string> {
  const { original, partialPath } = request;
  const isCopied = shortcut === null;
  const tell = (bytes: number) =>
    options.onState(isCopied ? stateOf('downloading', bytes, size) : stateOf('verifying', size, size));
  tell(0);
  // A clone is read in place of the original: it can no longer change.
  const task = isCopied ? { from: original.path, to: partialPath } : { from: partialPath, to: null };
  return runWorker(task, options.signal, tell);
}

function stateOf(phase: TransferState['phase'], bytes: number, total: number): TransferState {
  return { phase, bytes, total, reused: 0, wasted: 0, attempt: 1, connections: 0 };
}

async function runWorker(task: CopyTask, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // The sources run as they are and the build runs as JavaScript: the worker has the extension of this file.
  const url = new URL(`./copy-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, { workerData: task, execArgv: [], name: 'copy' });
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  worker.on('message', (message: CopyMessage) => {
    if (message.kind === 'failed') return reject(errorOfWorker(message));
    onBytes(message.bytes);
    if (message.kind === 'done') resolve(message.sha256);
  });
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new Error(`the copy ended without an answer (code ${code})`)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    // Ending it from outside also closes the files that it has open.
    await worker.terminate();
  }
}

function errorOfWorker({ side, message, code }: Extract<CopyMessage, { kind: 'failed' }>): unknown {
  const error = Object.assign(new Error(message), code === null ? {} : { code });
  return side === 'from' ? errorOfOriginal(error) : error;
}

function checkDigest({ sha256, name }: CopyRequest, actual: string): void {
  if (sha256 === null || sha256 === actual) return;
  throw new RbeeError('CHECKSUM_MISMATCH', `the content of ${name} is not what its digest says`, {
    hint: 'check the sha256 and the file',
    details: { expected: sha256, actual },
  });
}
