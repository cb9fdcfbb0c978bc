import { beforeAbort, type TransferNotice, type TransferState } from '@rbee/transfer';

/** Who is told how a blob's transfer goes. */
export interface BlobWatcher {
  readonly onState: (state: TransferState) => void;
  readonly onNotice: (notice: TransferNotice) => void;
}

interface Flight {
  readonly watchers: Set<BlobWatcher>;
  readonly over: Promise<void>;
  last: TransferState | null;
}

/**
 * Transfers of blobs that are under way: a blob is never fetched twice at once. Whoever needs one that is being fetched
 * watches that transfer, and takes it over where it ends without the blob.
 */
export class BlobFlights {
  readonly #flights = new Map<string, Flight>();
  /** How many need each blob: there are some also in the moment between one transfer and who takes it over. */
  readonly #boarders = new Map<string, number>();

  /** Whether somebody fetches the blob now, or waits until somebody else has. */
  has(path: string): boolean {
    return this.#boarders.has(path);
  }

  /**
   * Fetches the blob at `path`, or waits until somebody else has. `fetch` must find for itself that the blob has come.
   * Rejects with the signal's reason on abort.
   */
  async board<T>(
    path: string,
    watcher: BlobWatcher,
    signal: AbortSignal,
    fetch: (watcher: BlobWatcher) => Promise<T>,
  ): Promise<T> {
    this.#boarders.set(path, (this.#boarders.get(path) ?? 0) + 1);
    try {
      for (let flight = this.#flights.get(path); flight !== undefined; flight = this.#flights.get(path)) {
        await watchFlight(flight, watcher, signal);
      }
      return await this.#lead(path, watcher, fetch);
    } finally {
      const others = (this.#boarders.get(path) ?? 1) - 1;
      if (others > 0) this.#boarders.set(path, others);
      else this.#boarders.delete(path);
    }
  }

  async #lead<T>(path: string, watcher: BlobWatcher, fetch: (watcher: BlobWatcher) => Promise<T>): Promise<T> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const flight: Flight = { watchers: new Set([watcher]), over, last: null };
    this.#flights.set(path, flight);
    try {
      return await fetch({
        onState: (state) => {
          flight.last = state;
          for (const each of flight.watchers) each.onState(state);
        },
        onNotice: (notice) => {
          for (const each of flight.watchers) each.onNotice(notice);
        },
      });
    } finally {
      this.#flights.delete(path);
      resolve();
    }
  }
}

async function watchFlight(flight: Flight, watcher: BlobWatcher, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  flight.watchers.add(watcher);
  if (flight.last) watcher.onState(flight.last);
  try {
    await beforeAbort(signal, () => flight.over);
  } finally {
    flight.watchers.delete(watcher);
  }
}
