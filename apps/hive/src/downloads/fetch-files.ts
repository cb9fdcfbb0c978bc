import type { ConnectionBudget } from '@rbee/transfer';
import type { SourceFile } from '../sources/source.ts';

/** Up to this a second connection brings nothing, and most of a file's time is the wait for its first byte. */
const SMALL_FILE_BYTES = 16 * 2 ** 20;

type Entry = [index: number, file: SourceFile];

export interface FetchAllOptions {
  /** Over all files of the download. */
  readonly connections: ConnectionBudget;
  readonly signal: AbortSignal;
  /** Brings one file, and answers with its sha256. `connections` null: over one connection, which the file has already. */
  readonly fetch: FetchOne;
}

export type FetchOne = (
  file: SourceFile,
  index: number,
  connections: ConnectionBudget | null,
  signal: AbortSignal,
) => Promise<string>;

/**
 * Brings all files of a download: long ones one after the other, since each takes as many connections as help it, and beside them
 * as many small ones at once as there are connections for. The answers are in the order of the files. The first error ends the
 * work on all, and is thrown when all have stopped.
 */
export async function fetchAll(files: readonly SourceFile[], options: FetchAllOptions): Promise<string[]> {
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
  // Who fetches small files keeps a connection for all of them, or a long one would have it until the end of some part.
  const workOnSmall = (queue: Entry[]) => work(queue, null).finally(() => connections.giveBack());
  const entries: Entry[] = [...files.entries()];
  const small = entries.filter(([, file]) => isSmall(file));
  const long = entries.filter(([, file]) => !isSmall(file));
  const forLong = long.length > 0 && connections.limit > 1 ? 1 : 0;
  const places = Array.from({ length: Math.min(small.length, connections.limit - forLong) }, () => small);
  const works = [...places.filter(() => connections.tryTake()).map(workOnSmall), work(long, connections)];
  await Promise.all(works.map((each) => each.catch((error: unknown) => stop.abort(error))));
  signal.throwIfAborted();
  return fetched;
}

/** What is copied on this machine waits for its disk alone, so that it is not fetched beside others. */
const isSmall = ({ size, local }: SourceFile): boolean =>
  size !== null && size <= SMALL_FILE_BYTES && local === undefined;
