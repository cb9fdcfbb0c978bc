import { abortable, type Limiter, type TransferNotice, type TransferState } from '@rbee/transfer';
import { SharedLimiter } from './shared-limiter.ts';

/** Callbacks that follow the transfer of a blob. */
export interface BlobWatcher {
  readonly onState: (state: TransferState) => void;
  readonly onNotice: (notice: TransferNotice) => void;
}

/** How a caller takes part in the transfers of others. */
export interface FlightShare {
  /** Its bandwidth. */
  readonly limiter: Limiter;
  /** Wraps the time in which it only watches. */
  watch<T>(work: () => Promise<T>): Promise<T>;
  /** What it has to wait for before it fetches the blob itself; undefined if it may fetch now. */
  beforeLead(): Promise<void> | undefined;
}

interface Flight {
  readonly limiter: SharedLimiter;
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
    fetch: (watcher: BlobWatcher, limiter: SharedLimiter) => Promise<T>,
    share: FlightShare | null = null,
  ): Promise<T> {
    this.#callers.set(path, (this.#callers.get(path) ?? 0) + 1);
    try {
      while (true) {
        const flight = this.#flights.get(path);
        if (flight !== undefined) {
          const watch = () => watchFlight(flight, watcher, signal, share?.limiter ?? null);
          await (share === null ? watch() : share.watch(watch));
          continue;
        }
        const before = share?.beforeLead();
        // Another caller may lead by the time the wait is over.
        if (before === undefined) return await this.#lead(path, watcher, fetch, share?.limiter ?? null);
        await before;
      }
    } finally {
      const others = (this.#callers.get(path) ?? 1) - 1;
      if (others > 0) this.#callers.set(path, others);
      else this.#callers.delete(path);
    }
  }

  async #lead<T>(
    path: string,
    watcher: BlobWatcher,
    fetch: (watcher: BlobWatcher, limiter: SharedLimiter) => Promise<T>,
    own: Limiter | null,
  ): Promise<T> {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const limiter = new SharedLimiter();
    if (own !== null) limiter.join(own);
    const flight: Flight = { limiter, watchers: new Set([watcher]), done, last: null };
    this.#flights.set(path, flight);
    const all: BlobWatcher = {
      onState: (state) => {
        flight.last = state;
        for (const each of flight.watchers) each.onState(state);
      },
      onNotice: (notice) => {
        for (const each of flight.watchers) each.onNotice(notice);
      },
    };
    try {
      return await fetch(all, limiter);
    } finally {
      this.#flights.delete(path);
      resolve();
    }
  }
}

async function watchFlight(
  flight: Flight,
  watcher: BlobWatcher,
  signal: AbortSignal,
  limiter: Limiter | null,
): Promise<void> {
  signal.throwIfAborted();
  flight.watchers.add(watcher);
  const leave = limiter === null ? () => {} : flight.limiter.join(limiter);
  if (flight.last) watcher.onState(flight.last);
  try {
    await abortable(signal, () => flight.done);
  } finally {
    leave();
    flight.watchers.delete(watcher);
  }
}
