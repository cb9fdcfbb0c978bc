import { abortable, type TransferNotice, type TransferState } from '@rbee/transfer';

/** Callbacks that follow the transfer of a blob. */
export interface BlobWatcher {
  readonly onState: (state: TransferState) => void;
  readonly onNotice: (notice: TransferNotice) => void;
}

interface Flight {
  readonly watchers: Set<BlobWatcher>;
  readonly done: Promise<void>;
  last: TransferState | null;
}

/**
 * Single flight for blobs: each is fetched by one caller at a time. Other callers watch that transfer, and one of them
 * takes over if it ends without the blob.
 */
export class SingleFlight {
  readonly #flights = new Map<string, Flight>();
  /** Callers per blob. Unlike `#flights` it has no gap between one transfer and the caller that takes over. */
  readonly #callers = new Map<string, number>();

  /** Whether any caller is fetching the blob or waiting for it. */
  has(path: string): boolean {
    return this.#callers.has(path);
  }

  /**
   * Fetches the blob at `path` after any fetch in progress has ended, so `fetch` must check whether the blob is there by
   * now. Rejects with the signal's reason on abort.
   */
  async run<T>(
    path: string,
    watcher: BlobWatcher,
    signal: AbortSignal,
    fetch: (watcher: BlobWatcher) => Promise<T>,
  ): Promise<T> {
    this.#callers.set(path, (this.#callers.get(path) ?? 0) + 1);
    try {
      for (let flight = this.#flights.get(path); flight !== undefined; flight = this.#flights.get(path)) {
        await watchFlight(flight, watcher, signal);
      }
      return await this.#lead(path, watcher, fetch);
    } finally {
      const others = (this.#callers.get(path) ?? 1) - 1;
      if (others > 0) this.#callers.set(path, others);
      else this.#callers.delete(path);
    }
  }

  async #lead<T>(path: string, watcher: BlobWatcher, fetch: (watcher: BlobWatcher) => Promise<T>): Promise<T> {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const flight: Flight = { watchers: new Set([watcher]), done, last: null };
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
    await abortable(signal, () => flight.done);
  } finally {
    flight.watchers.delete(watcher);
  }
}
