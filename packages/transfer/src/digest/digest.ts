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

/** Below this a worker costs more than it saves, and hashing in slices does not block anybody. */
const inlineLimitBytes = 2 * 2 ** 20;
const inlineReadBytes = 256 * 2 ** 10;
/** The worker is woken for no less than this, which the processor's cache still holds. */
const wakeBytes = 2 ** 20;

export interface Digests {
  readonly sha256: string;
  /** git's object id of the content as a blob; null where it was not asked for. */
  readonly gitSha1: string | null;
}

export interface DigestOptions {
  readonly path: string;
  /** The file's size; null while it is unknown. */
  readonly size: number | null;
  /** Whether the git sha1 is wanted. Its header holds the size, so that has to be known then. */
  readonly isGit: boolean;
}

/** Computes the digests of a file while it is being written. `close` ends it on every path. */
export interface Digester {
  /** All bytes before `frontier` may be read. */
  advance(frontier: number): void;
  /** Hashes what is left up to the end and answers. Rejects where reading failed or the digester was closed. */
  finish(end: number): Promise<Digests>;
  /** Stops at once and waits until thread and file are closed. Again is fine. */
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
  const answer = Promise.withResolvers<Digests>();
  // A failure may come long before `finish` asks for it, and must not count as unhandled until then.
  answer.promise.catch(() => {});
  let worker: Worker | null = null;
  let isClosed = false;
  let told = 0;

  const start = (gitSize: number | null) => {
    if (worker === null && !isClosed)
      worker = startWorker({ path: options.path, gitSize, shared: { offsets, changes } }, answer);
  };
  const wake = () => {
    Atomics.add(changes, 0, 1);
    Atomics.notify(changes, 0);
  };
  // A git header holds the size, so where that is not known yet the worker starts at the end.
  if (!options.isGit || options.size !== null) start(options.isGit ? options.size : null);
  return {
    advance(frontier) {
      if (frontier - told < wakeBytes) return;
      told = frontier;
      Atomics.store(offsets, FRONTIER_CELL, BigInt(frontier));
      wake();
    },
    finish(end) {
      start(options.isGit ? end : null);
      Atomics.store(offsets, FRONTIER_CELL, BigInt(end));
      Atomics.store(offsets, END_CELL, BigInt(end));
      wake();
      return answer.promise;
    },
    async close() {
      isClosed = true;
      answer.reject(closedError());
      // The thread may sleep or read; ending it from outside also closes the file that it has open.
      await worker?.terminate();
    },
  };
}

function createShared(): DigestShared {
  const offsets = new BigInt64Array(new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT));
  offsets[END_CELL] = unknownEnd;
  return { offsets, changes: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) };
}

function startWorker(task: DigestTask, answer: PromiseWithResolvers<Digests>): Worker {
  // The sources run as they are and the build runs as JavaScript: the worker has the extension of this file.
  const url = new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, { workerData: task, execArgv: [], name: 'digest' });
  worker.once('message', (message: DigestResult) => {
    if (message.kind === 'done') answer.resolve({ sha256: message.sha256, gitSha1: message.gitSha1 });
    else answer.reject(Object.assign(new Error(message.message), { code: message.code }));
  });
  worker.once('error', (error) => answer.reject(error));
  worker.once('exit', (code) => answer.reject(new Error(`the digest worker ended without an answer (code ${code})`)));
  return worker;
}

function closedError(): Error {
  return new Error('the digest was stopped');
}

export interface DigestFileOptions {
  /** Whether the git sha1 is wanted too. */
  readonly isGit: boolean;
  /** Bytes that the file has. */
  readonly size: number;
  /** Ends the reading at once. */
  readonly signal: AbortSignal;
}

/**
 * Reads a whole file, off the main thread where it is large, and answers its digests. Rejects where the file cannot be
 * read or is shorter than `size`, and with the signal's reason on abort.
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
