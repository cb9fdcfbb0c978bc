import type { SourceFile } from '../sources/source.ts';

/** Up to this a second connection brings nothing, and most of a file's time is the wait for its first byte. */
const SMALL_FILE_BYTES = 16 * 2 ** 20;

type Entry = [index: number, file: SourceFile];

export interface FetchAllOptions {
  /** Over all files of the download. */
  readonly maxConnections: number;
  readonly signal: AbortSignal;
  /** Brings one file, and answers with its sha256. */
  readonly fetch: (file: SourceFile, index: number, signal: AbortSignal) => Promise<string>;
}

/**
 * Brings all files of a download: long ones one after the other, since each takes as many connections as help it, and beside them
 * as many small ones at once as there are connections for. The answers are in the order of the files. The first error ends the
 * work on all, and is thrown when all have stopped.
 */
export async function fetchAll(files: readonly SourceFile[], options: FetchAllOptions): Promise<string[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const fetched: string[] = [];
  const work = async (queue: Entry[]): Promise<void> => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      signal.throwIfAborted();
      const [index, file] = entry;
      fetched[index] = await options.fetch(file, index, signal);
    }
  };
  const entries: Entry[] = [...files.entries()];
  const small = entries.filter(([, file]) => isSmall(file));
  const long = entries.filter(([, file]) => !isSmall(file));
  const places = Math.min(small.length, Math.max(1, options.maxConnections - 1));
  const queues = [long, ...Array.from({ length: places }, () => small)];
  const ends = queues.map((queue) => work(queue).catch((error: unknown) => stop.abort(error)));
  await Promise.all(ends);
  signal.throwIfAborted();
  return fetched;
}

/** What is copied on this machine waits for its disk alone, so that it is not fetched beside others. */
const isSmall = ({ size, local }: SourceFile): boolean =>
  size !== null && size <= SMALL_FILE_BYTES && local === undefined;
