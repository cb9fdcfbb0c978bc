import { stat } from 'node:fs/promises';
import { RbeeError } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import { type ConnectionBudget, type Limiter, type ReadPool, type RetryRule, transferFile } from '@rbee/transfer';
import type { Dispatcher } from 'undici';
import { copyLocal } from '../sources/local/copy-local.ts';
import type { LocalOriginal, SourceFile } from '../sources/source.ts';
import type { Store } from '../store/store.ts';
import { narratePresent, presentState } from './download-progress.ts';
import type { BlobFlights, BlobWatcher } from './single-flight.ts';
import type { TransferCounts } from './transfer-counts.ts';

export interface FetchFileDeps {
  readonly store: Store;
  readonly flights: BlobFlights;
  readonly counts: TransferCounts;
  readonly dispatcher: Dispatcher;
  /** Whose memory the dispatcher's sockets read into. */
  readonly pool: ReadPool;
  readonly retry: RetryRule;
  readonly headersTimeoutMs: number;
  readonly stallTimeoutMs: number;
}

export interface FetchFileRequest {
  readonly place: string;
  readonly file: SourceFile;
  /** Aborts when the download is cancelled or paused. */
  readonly signal: AbortSignal;
  readonly limiter: Limiter;
  /** Shared by the files of the download; null: one connection for this file alone. */
  readonly connections: ConnectionBudget | null;
  readonly watcher: BlobWatcher;
}

/** Brings one file's blob into the store, verified; the answer is its sha256. */
export type FetchFile = (request: FetchFileRequest) => Promise<string>;

export function createFetchFile(deps: FetchFileDeps): FetchFile {
  return (request) => {
    const { place, file, signal, watcher } = request;
    const path = deps.store.layout.blob(place, file.blobName);
    const fetch = (watched: BlobWatcher) => fetchBlob(deps, request, watched);
    // What lies on this machine already is brought in without a transfer.
    const counted = file.local === undefined ? (all: BlobWatcher) => deps.counts.watch(all, fetch) : fetch;
    return deps.flights.board(path, watcher, signal, counted);
  };
}

async function fetchBlob(deps: FetchFileDeps, request: FetchFileRequest, watcher: BlobWatcher): Promise<string> {
  const { store, flights: _, counts: __, ...transport } = deps;
  const { place, file, signal, limiter, connections } = request;
  const finalPath = store.layout.blob(place, file.blobName);
  if (!file.isUnversioned && (await store.hasBlob(place, file.blobName, file.size))) {
    const { size } = await stat(finalPath);
    narratePresent(file, size);
    watcher.onState(presentState(size));
    return checkPresent(await store.sha256OfBlob(place, file.blobName), file);
  }
  const { sha256, gitSha1, size, path: name, local } = file;
  const partialPath = store.layout.partial(place, file.blobName);
  const locate = (locateSignal: AbortSignal) => file.locate(locateSignal);
  if (local !== undefined) return fetchLocal(local, { partialPath, finalPath, sha256, name }, signal, watcher);
  const several = connections === null ? {} : { connections, maxConnections: connections.limit };
  const done = await transferFile(
    { locate, partialPath, finalPath, size, sha256, gitSha1, name },
    { ...transport, ...several, signal, limiter, ...watcher },
  );
  return done.sha256;
}

function fetchLocal(
  original: LocalOriginal,
  to: { partialPath: string; finalPath: string; sha256: string | null; name: string },
  signal: AbortSignal,
  { onState }: BlobWatcher,
): Promise<string> {
  narrate('file_copied', `📂 ${to.name} is on this machine: it is copied and verified`);
  return copyLocal({ original, ...to }, { signal, onState });
}

function checkPresent(actual: string, file: SourceFile): string {
  if (file.sha256 === null || file.sha256 === actual) return actual;
  throw new RbeeError('CHECKSUM_MISMATCH', `${file.path} in the store is not the file with that sha256`, {
    hint: 'check the sha256',
    details: { expected: file.sha256, actual },
  });
}
