import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Gguf, printable, RbeeError } from '@rbee/contract';
import type { FromWorker, GgufTask, ToWorker } from './gguf-channel.ts';

/** Reads bytes `[start, end)` of a file; fewer at its end. */
export type RangeReader = (start: number, end: number, signal: AbortSignal) => Promise<ToWorker>;

/** The headers of the largest vocabularies are about 20 MB. */
const MAX_HEADER_BYTES = 48 * 2 ** 20;
/** The parser's heap. Only a hostile header needs more. */
const MAX_HEAP_MB = 512;
const MAX_TEXT_CHARS = 256;

export interface ReadGgufOptions {
  /** The file's name. */
  readonly name: string;
  /** For the whole header. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The metadata in the header of a GGUF file, read by ranges and parsed in a worker, within limits of bytes, memory and
 * time.
 * @throws RbeeError where the file cannot be read or is not a GGUF file; the signal's reason on abort
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
    if (bytesRead > MAX_HEADER_BYTES) return reject(unreadable('it is too large'));
    read(message.start, message.end, stop).then((part) => worker.postMessage(part), reject);
  });
  worker.once('error', (error) => reject(unreadable(error.message)));
  worker.once('exit', () => reject(unreadable('the parser exited without a result')));
  try {
    return clean(await promise);
  } finally {
    stop.removeEventListener('abort', onStop);
    await worker.terminate();
  }
}

/** The texts are untrusted and are printed to terminals. */
function clean(gguf: Gguf): Gguf {
  const text = (value: string | null) => (value === null ? null : textOf(value));
  return { ...gguf, architecture: text(gguf.architecture), name: text(gguf.name) };
}

const textOf = (text: string): string => printable(text).trim().slice(0, MAX_TEXT_CHARS);

function unreadable(why: string): RbeeError {
  const message = `the GGUF header cannot be read: ${textOf(why)}`;
  return new RbeeError('DOWNLOAD_FAILED', message);
}
