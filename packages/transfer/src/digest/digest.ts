import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { abortable } from '../abort.ts';
import {
  type DigestResult,
  type DigestShared,
  type DigestTask,
  END_CELL,
  FRONTIER_CELL,
  unknownEnd,
} from './digest-channel.ts';

/** Up to this size a worker costs more than it saves, and hashing in slices blocks nobody. */
const inlineLimitBytes = 2 * 2 ** 20;
const inlineReadBytes = 256 * 2 ** 10;
/** The worker is woken for no less than this, which the CPU cache still holds. */
const wakeBytes = 2 ** 20;

export interface Digests {
  readonly sha256: string;
  /** git's object id of the content as a blob; null if not requested. */
  readonly gitSha1: string | null;
}

export interface DigestOptions {
  readonly path: string;
  /** The file's size; null if unknown. */
  readonly size: number | null;
  /** Whether the git sha1 is wanted. Its header contains the size: with an unknown size hashing starts only at the end. */
  readonly isGit: boolean;
}

/** Computes the digests of a file while it is being written. Must be closed. */
export interface Digester {
  /** All bytes before `frontier` may be read. */
  advance(frontier: number): void;
  /** Hashes the rest up to the end. Rejects if reading failed or the digester was closed. */
  finish(end: number): Promise<Digests>;
  /** Stops immediately and waits until thread and file are closed. Idempotent. */
  close(): Promise<void>;
}

export function createDigester(options: DigestOptions): Digester {
  const { size } = options;
  return size !== null && size <= inlineLimitBytes ? createInlineDigester(options) : createWorkerDigester(options);
}

function createInlineDigester(options: DigestOptions): Digester {
  let isClosed = false;
  return {
    advance: () => {},
    finish: (end) => digestInline(options, end, () => isClosed),
    close: async () => {
      isClosed = true;
    },
  };
}

async function digestInline(options: DigestOptions, end: number, isClosed: () => boolean): Promise<Digests> {
  const sha256 = createHash('sha256');
  const gitSha1 = options.isGit ? createHash('sha1').update(`blob ${end}\0`) : null;
  const buffer = Buffer.allocUnsafe(Math.min(inlineReadBytes, Math.max(1, end)));
  const handle = await open(options.path, 'r');
  try {
    for (let hashed = 0; hashed < end; ) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - hashed), hashed);
      if (isClosed()) throw closedError();
      if (bytesRead === 0) throw new Error('the file is shorter than what was written to it');
      const read = buffer.subarray(0, bytesRead);
      sha256.update(read);
      gitSha1?.update(read);
      hashed += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return { sha256: sha256.digest('hex'), gitSha1: gitSha1?.digest('hex') ?? null };
}

function createWorkerDigester(options: DigestOptions): Digester {
  const { offsets, changes } = createShared();
  const result = Promise.withResolvers<Digests>();
  // A failure may come long before `finish` awaits it: it must not count as unhandled.
  result.promise.catch(() => {});
  let worker: Worker | null = null;
  let isClosed = false;
  let announced = 0;

  const start = (gitSize: number | null) => {
    if (worker === null && !isClosed)
      worker = startWorker({ path: options.path, gitSize, shared: { offsets, changes } }, result);
  };
  const wake = () => {
    Atomics.add(changes, 0, 1);
    Atomics.notify(changes, 0);
  };
  // With an unknown size the git header cannot be hashed yet: the worker starts at the end.
  if (!options.isGit || options.size !== null) start(options.isGit ? options.size : null);
  return {
    advance(frontier) {
      if (frontier - announced < wakeBytes) return;
      announced = frontier;
      Atomics.store(offsets, FRONTIER_CELL, BigInt(frontier));
      wake();
    },
    finish(end) {
      start(options.isGit ? end : null);
      Atomics.store(offsets, FRONTIER_CELL, BigInt(end));
      Atomics.store(offsets, END_CELL, BigInt(end));
      wake();
      return result.promise;
    },
    async close() {
      isClosed = true;
      result.reject(closedError());
      // The thread may be sleeping or reading; terminating it also closes its file.
      await worker?.terminate();
    },
  };
}

function createShared(): DigestShared {
  const offsets = new BigInt64Array(new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT));
  offsets[END_CELL] = unknownEnd;
  return { offsets, changes: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) };
}

function startWorker(task: DigestTask, result: PromiseWithResolvers<Digests>): Worker {
  // Runs from source (.ts) and from the build (.js): the worker has the extension of this file.
  const url = new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, { workerData: task, execArgv: [], name: 'digest' });
  worker.once('message', (message: DigestResult) => {
    if (message.kind === 'done') result.resolve({ sha256: message.sha256, gitSha1: message.gitSha1 });
    else result.reject(Object.assign(new Error(message.message), { code: message.code }));
  });
  worker.once('error', (error) => result.reject(error));
  worker.once('exit', (code) => result.reject(new Error(`the digest worker exited without a result (code ${code})`)));
  return worker;
}

function closedError(): Error {
  return new Error('the digest was stopped');
}

export interface DigestFileOptions {
  /** Whether the git sha1 is wanted too. */
  readonly isGit: boolean;
  /** Of the file, in bytes. */
  readonly size: number;
  /** Stops reading immediately. */
  readonly signal: AbortSignal;
}

/**
 * The digests of a whole file, computed off the main thread if it is large. Rejects if the file cannot be read or is shorter than `size`,
 * and with the signal's reason on abort.
 */
export async function digestFile(path: string, { isGit, size, signal }: DigestFileOptions): Promise<Digests> {
  signal.throwIfAborted();
  const digester = createDigester({ path, size, isGit });
  try {
    return await abortable(signal, () => digester.finish(size));
  } finally {
    await digester.close();
  }
}
