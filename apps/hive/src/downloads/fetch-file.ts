import { formatBytes, RbeeError } from '@rbee/contract';
import { narrate } from '@rbee/jobs';
import { type ConnectionBudget, type Limiter, type TransferOptions, transferFile } from '@rbee/transfer';
import { copyLocal } from '../sources/local/copy-local.ts';
import type { LocalOriginal, SourceFile } from '../sources/source.ts';
import type { Store } from '../store/store.ts';
import { narratePresent, presentState } from './download-progress.ts';
import type { SharedLimiter } from './shared-limiter.ts';
import type { BlobWatcher, SingleFlight } from './single-flight.ts';
import type { TransferCounts } from './transfer-counts.ts';
import type { Turn } from './turn.ts';

export interface FetchFileDeps {
  readonly store: Store;
  readonly flights: SingleFlight;
  readonly counts: TransferCounts;
  /** The options that all transfers share. `pool` must be the one that the dispatcher's sockets read into. */
  readonly transport: Pick<TransferOptions, 'dispatcher' | 'pool' | 'retry' | 'headersTimeoutMs' | 'stallTimeoutMs'>;
}

interface FetchFileRequest {
  readonly place: string;
  readonly commit: string;
  readonly file: SourceFile;
  /** Aborts when the download is cancelled or paused. */
  readonly signal: AbortSignal;
  readonly limiter: Limiter;
  /** The slot of the download in the queue. */
  readonly turn: Turn;
  /** Shared by the files of the download; null: one connection for this file alone. */
  readonly connections: ConnectionBudget | null;
  readonly watcher: BlobWatcher & {
    /** The file waits for the download's slot, or does not any more. */
    readonly onQueued?: (isQueued: boolean) => void;
  };
}

/** Brings a file's blob into the store, verified, and returns its sha256. */
export type FetchFile = (request: FetchFileRequest) => Promise<string>;

export function createFetchFile(deps: FetchFileDeps): FetchFile {
  return (request) => {
    const { place, file, signal, limiter, watcher, turn } = request;
    const path = deps.store.layout.blob(place, file.blobName);
    const fetch = (all: BlobWatcher, shared: SharedLimiter) => {
      const transfer = (watched: BlobWatcher) => fetchBlob(deps, request, watched, shared);
      // A local file is copied without a transfer, so it does not count as one.
      return file.local === undefined ? deps.counts.watch(all, transfer) : transfer(all);
    };
    let isThere = false;
    const slotOrBlob = async () => {
      isThere = (await deps.store.findFile(place, request.commit, file)) !== null;
      if (isThere) return;
      const isQueued = turn.hasToQueue;
      if (isQueued) watcher.onQueued?.(true);
      await turn.take(signal);
      if (isQueued) watcher.onQueued?.(false);
    };
    return turn.work(() =>
      deps.flights.run(path, watcher, signal, fetch, {
        limiter,
        watch: (watch) => turn.watch(watch),
        // What somebody else has fetched needs no slot.
        beforeLead: () => (turn.isHeld || isThere ? undefined : slotOrBlob()),
      }),
    );
  };
}

async function fetchBlob(
  deps: FetchFileDeps,
  request: FetchFileRequest,
  watcher: BlobWatcher,
  limiter: SharedLimiter,
): Promise<string> {
  const { store, transport } = deps;
  const { place, commit, file, signal, connections } = request;
  // Before each file: the disk may go away during a download of many.
  await store.assertSame();
  const finalPath = store.layout.blob(place, file.blobName);
  const present = await store.findFile(place, commit, file);
  const digest = present && (await store.sha256Of(place, present, file, signal));
  if (present !== null && digest !== null) {
    narratePresent(file, present.bytes);
    watcher.onState(presentState(present.bytes));
    return checkPresent(digest, file);
  }
  const { sha256, gitSha1, size, path: name, local } = file;
  const partialPath = store.layout.partial(place, file.blobName);
  const locate = (locateSignal: AbortSignal) => file.locate(locateSignal);
  if (local !== undefined) return fetchLocal(local, { partialPath, finalPath, sha256, name }, signal, watcher);
  const adopted = await store.adoptPartial(place, file, signal);
  if (adopted > 0)
    narrate('partial_adopted', `♻️ Using ${formatBytes(adopted)} of ${name} that another tool has fetched`);
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
  narrate('file_copied', `📂 Copying and verifying ${to.name} from this machine`);
  return copyLocal({ original, ...to }, { signal, onState });
}

function checkPresent(actual: string, file: SourceFile): string {
  if (file.sha256 === null || file.sha256 === actual) return actual;
  throw new RbeeError('CHECKSUM_MISMATCH', `${file.path} in the store has another sha256`, {
    hint: 'check the sha256',
    details: { expected: file.sha256, actual },
  });
}
