import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatBytes, RbeeError, spaceNeeded } from '@rbee/contract';
import { errorOfDisk, freeBytesIn, syncFolder, type TransferState } from '@rbee/transfer';
import type { LocalOriginal } from '../source.ts';
import type { CopyMessage, CopyTask } from './copy-worker.ts';
import { errorOfOriginal, inspectFile } from './local-file.ts';

export interface CopyRequest {
  readonly original: LocalOriginal;
  /** Where the file grows; on the same file system as `finalPath`. */
  readonly partialPath: string;
  readonly finalPath: string;
  /** The expected digest; null where none is known. */
  readonly sha256: string | null;
  /** For messages. */
  readonly name: string;
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onState: (state: TransferState) => void;
}

/** How the file got into the store without a copy; null where it has to be copied. */
type Shortcut = 'clone' | 'link' | null;

/**
 * Puts a file of this machine under its final name: cloned where the file system can share blocks, hard-linked where
 * nobody may write to the original, else copied; hashed in a worker thread, synced, renamed. Returns its sha256.
 * @throws RbeeError SOURCE_CHANGED where the original changed meanwhile, CHECKSUM_MISMATCH, DISK_FULL,
 *   STORE_NOT_WRITABLE, as `errorOfOriginal` says; the signal's reason when aborted
 */
export async function copyLocal(request: CopyRequest, options: CopyOptions): Promise<string> {
  const { original, partialPath, finalPath } = request;
  options.signal.throwIfAborted();
  const before = await unchanged(request);
  try {
    await mkdir(dirname(partialPath), { recursive: true });
    // Never overwritten: a partial of a previous run may be a link to the original.
    await rm(partialPath, { force: true });
    const shortcut = await takeShortcut(original.path, partialPath, before.isReadOnly);
    if (shortcut === null) await assertDiskSpace(partialPath, before.size);
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
  const now = await inspectFile(original.path);
  if (now.version === original.version) return now;
  throw new RbeeError('SOURCE_CHANGED', `${name} changed while it was being copied`, {
    hint: 'retry when nothing writes to it',
  });
}

/**
 * A clone shares blocks until one of the two files is written to. A hard link is one file with two names: safe only where
 * nobody may write to it.
 */
async function takeShortcut(from: string, to: string, isReadOnly: boolean): Promise<Shortcut> {
  if (await succeeds(() => clone(from, to))) return 'clone';
  await rm(to, { force: true });
  // Any other obstacle than the file system shows up again in the copy.
  return isReadOnly && (await succeeds(() => link(from, to))) ? 'link' : null;
}

async function clone(from: string, to: string): Promise<void> {
  const placeholder = await open(to, 'wx');
  const { mode } = await placeholder.stat();
  await placeholder.close();
  await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
  // The clone got the mode of the original; files of the store use the default one.
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

async function assertDiskSpace(path: string, size: number): Promise<void> {
  const [needed, free] = [spaceNeeded(size), await freeBytesIn(dirname(path))];
  if (free === null || needed <= free) return;
  throw new RbeeError('DISK_FULL', `${formatBytes(needed)} needed, ${formatBytes(free)} free`, {
    hint: 'free some disk space and retry',
    details: { needed_bytes: needed, free_bytes: free },
  });
}

/** Hashes the file, and copies it along the way unless there was a shortcut. */
function readThrough(request: CopyRequest, options: CopyOptions, size: number, shortcut: Shortcut): Promise<string> {
  const { original, partialPath } = request;
  const isCopied = shortcut === null;
  const onBytes = (bytes: number) =>
    options.onState(isCopied ? stateOf('downloading', bytes, size) : stateOf('verifying', size, size));
  onBytes(0);
  // A clone is hashed itself: unlike the original it cannot change any more.
  const task = isCopied ? { from: original.path, to: partialPath } : { from: partialPath, to: null };
  return runWorker(task, options.signal, onBytes);
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
  worker.once('exit', (code) => reject(new Error(`the copy worker exited without a result (code ${code})`)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    // This also closes the files that the worker has open.
    await worker.terminate();
  }
}

function errorOfWorker({ side, message, code }: Extract<CopyMessage, { kind: 'failed' }>): unknown {
  const error = Object.assign(new Error(message), code === null ? {} : { code });
  return side === 'from' ? errorOfOriginal(error) : error;
}

function checkDigest({ sha256, name }: CopyRequest, actual: string): void {
  if (sha256 === null || sha256 === actual) return;
  throw new RbeeError('CHECKSUM_MISMATCH', `the content of ${name} does not match its digest`, {
    hint: 'check the sha256 and the file',
    details: { expected: sha256, actual },
  });
}
