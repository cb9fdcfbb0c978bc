import { RbeeError } from '@rbee/contract';
import type { TransferNotice, TransferState } from '@rbee/transfer';
import type { BlobWatcher } from './single-flight.ts';

interface Live {
  state: TransferState | null;
  /** Bytes on disk before the transfer that were discarded: wasted, but never received. */
  lostReuse: number;
}

interface Bytes {
  readonly received: number;
  readonly reused: number;
  readonly wasted: number;
}

const NOTHING: Bytes = { received: 0, reused: 0, wasted: 0 };

/**
 * Totals over all transfers of the hive since its start. A running transfer only stores its newest state, and totals are
 * computed when they are read, so counting adds nothing to the cost of a batch of bytes.
 */
export class TransferCounts {
  /** Failed attempts that were retried, by error code. */
  readonly retries = new Map<string, number>();
  readonly #live = new Set<Live>();
  #ended = NOTHING;
  #stalls = 0;
  #throttles = 0;
  #verifyFailures = 0;

  /** Bytes since the start; never decreases. */
  get bytes(): Bytes {
    return [...this.#live].map(bytesOf).reduce(sum, this.#ended);
  }

  /** Connections open now, over all transfers. */
  get connections(): number {
    return [...this.#live].reduce((total, { state }) => total + (state?.connections ?? 0), 0);
  }

  get stalls(): number {
    return this.#stalls;
  }

  get throttles(): number {
    return this.#throttles;
  }

  get verifyFailures(): number {
    return this.#verifyFailures;
  }

  countRetry(code: string): void {
    this.retries.set(code, (this.retries.get(code) ?? 0) + 1);
  }

  /** Counts what one transfer reports to its watcher, and how it ends. */
  async watch<T>(watcher: BlobWatcher, transfer: (watched: BlobWatcher) => Promise<T>): Promise<T> {
    const live: Live = { state: null, lostReuse: 0 };
    this.#live.add(live);
    try {
      return await transfer({
        onState(state) {
          const before = live.state;
          if (before !== null && state.wasted > before.wasted) live.lostReuse += before.reused - state.reused;
          live.state = state;
          watcher.onState(state);
        },
        onNotice: (notice) => {
          this.#note(notice);
          watcher.onNotice(notice);
        },
      });
    } catch (error) {
      if (error instanceof RbeeError && error.code === 'CHECKSUM_MISMATCH') this.#verifyFailures += 1;
      throw error;
    } finally {
      this.#live.delete(live);
      this.#ended = sum(this.#ended, bytesOf(live));
    }
  }

  #note({ code, reason }: TransferNotice): void {
    if (code === 'STALL') this.#stalls += 1;
    if (code === 'THROTTLE') this.#throttles += 1;
    if (reason !== undefined) this.countRetry(reason);
    // A mismatch that is retried does not end the transfer, so `watch` does not see it.
    if (reason === 'CHECKSUM_MISMATCH') this.#verifyFailures += 1;
  }
}

function bytesOf({ state, lostReuse }: Live): Bytes {
  if (state === null) return NOTHING;
  const { bytes, reused, wasted } = state;
  return { received: bytes + wasted - reused - lostReuse, reused: reused + lostReuse, wasted };
}

function sum(a: Bytes, b: Bytes): Bytes {
  return { received: a.received + b.received, reused: a.reused + b.reused, wasted: a.wasted + b.wasted };
}
