import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Gguf, RbeeError } from '@rbee/contract';
import type { FromWorker, GgufTask, ToWorker } from './gguf-channel.ts';

/** Reads bytes `[start, end)` of a file; fewer at its end. */
export type RangeReader = (start: number, end: number, signal: AbortSignal) => Promise<ToWorker>;

/** The headers of the largest vocabularies are about 20 MB. */
const MAX_HEADER_BYTES = 48 * 2 ** 20;
/** The heap of the parser. A header that needs more is made to. */
const MAX_HEAP_MB = 512;
const MAX_TEXT_CHARS = 256;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

export interface ReadGgufOptions {
  /** The file's name. */
  readonly name: string;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * What the header of a GGUF file says, read by ranges and parsed in a thread of its own, within bounds of bytes, memory
 * and time.
 * @throws RbeeError where the file cannot be read, or is no GGUF file; the signal's reason on abort
 */
export async function readGguf(read: RangeReader, { name, timeoutMs, signal }: ReadGgufOptions): Promise<Gguf> {
  signal.throwIfAborted();
  const timeUp = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, timeUp]);
  // The sources run as they are and the build runs as JavaScript: the worker has the extension of this file.
  const url = new URL(`./gguf-worker${extname(import.meta.url)}`, import.meta.url);
  const workerData: GgufTask = { name };
  const worker = new Worker(url, {
    workerData,
    execArgv: [],
    name: 'gguf',
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Gguf>();
  const onStop = () => reject(timeUp.aborted ? unreadable(`it took longer than ${timeoutMs / 1_000} s`) : stop.reason);
  stop.addEventListener('abort', onStop, { once: true });
  let bytesRead = 0;
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'done') return resolve(message.gguf);
    if (message.kind === 'failed') return reject(unreadable(message.message));
    bytesRead += message.end - message.start;
    if (bytesRead > MAX_HEADER_BYTES) return reject(unreadable('it has no end'));
    read(message.start, message.end, stop).then((answer) => worker.postMessage(answer), reject);
  });
  worker.once('error', (error) => reject(unreadable(error.message)));
  worker.once('exit', () => reject(unreadable('the parser ended without an answer')));
  try {
    return clean(await promise);
  } finally {
    stop.removeEventListener('abort', onStop);
    await worker.terminate();
  }
}

/** Names come from whoever made the file, and go to terminals. */
function clean(gguf: Gguf): Gguf {
  const text = (value: string | null) => value?.replaceAll(UNPRINTABLE, ' ').trim().slice(0, MAX_TEXT_CHARS) ?? null;
  return { ...gguf, architecture: text(gguf.architecture), name: text(gguf.name) };
}

function unreadable(why: string): RbeeError {
  const message = `the GGUF header cannot be read: ${why.replaceAll(UNPRINTABLE, ' ').slice(0, MAX_TEXT_CHARS)}`;
  return new RbeeError('DOWNLOAD_FAILED', message);
}
