import type { ConnectionBudget } from '@rbee/transfer';
import type { SourceFile } from '../sources/source.ts';

/** Files up to this size gain nothing from a second connection: they spend most of their time waiting for the first byte. */
const SMALL_FILE_BYTES = 16 * 2 ** 20;

type Entry = [index: number, file: SourceFile];

export interface FetchFilesOptions {
  /** Shared by all files of the download. */
  readonly connections: ConnectionBudget;
  readonly signal: AbortSignal;
  readonly fetch: FetchOne;
}

/** Fetches one file and returns its sha256. `connections` null: use only the one connection already acquired for it. */
type FetchOne = (
  file: SourceFile,
  index: number,
  connections: ConnectionBudget | null,
  signal: AbortSignal,
) => Promise<string>;

/**
 * Fetches all files of a download and returns their digests in the order of the files. Long files go one after the
 * other, since each uses every connection that helps it, alongside as many small ones as there are connections for. The
 * first error stops all of them; it is thrown once they have stopped.
 */
export async function fetchFiles(files: readonly SourceFile[], options: FetchFilesOptions): Promise<string[]> {
  const { connections } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const fetched: string[] = [];
  const work = async (queue: Entry[], budget: ConnectionBudget | null): Promise<void> => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      signal.throwIfAborted();
      const [index, file] = entry;
      fetched[index] = await options.fetch(file, index, budget, signal);
    }
  };
  // A worker for small files keeps its connection between files, or a long file would hold it until the end of a part.
  const workOnSmall = (queue: Entry[]) => work(queue, null).finally(() => connections.release());
  const entries: Entry[] = [...files.entries()];
  const small = entries.filter(([, file]) => isSmall(file));
  const long = entries.filter(([, file]) => !isSmall(file));
  const forLong = long.length > 0 && connections.limit > 1 ? 1 : 0;
  const smallWorkers = Array.from({ length: Math.min(small.length, connections.limit - forLong) }, () => small);
  const works = [...smallWorkers.filter(() => connections.tryAcquire()).map(workOnSmall), work(long, connections)];
  await Promise.all(works.map((each) => each.catch((error: unknown) => stop.abort(error))));
  signal.throwIfAborted();
  return fetched;
}

/** A file copied on this machine waits for its disk alone, so it is not run alongside others. */
const isSmall = ({ size, local }: SourceFile): boolean =>
  size !== null && size <= SMALL_FILE_BYTES && local === undefined;
