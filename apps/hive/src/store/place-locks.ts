import { RbeeError } from '@rbee/contract';
import { abortable } from '@rbee/transfer';

type Release = () => void;

interface PlaceLock {
  /** How many hold it shared. */
  holders: number;
  /** Resolves when the exclusive holder releases it; null while there is none. */
  exclusive: Promise<void> | null;
}

/**
 * A shared/exclusive lock for each place of the store. A download relies on the blobs it found until its model is
 * published, so it holds the lock shared; whatever removes files holds it exclusively.
 */
export class PlaceLocks {
  readonly #locks = new Map<string, PlaceLock>();

  /** Keeps files from being removed until the release; waits for a removal in progress. Files may still be added. */
  async acquireShared(place: string, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    for (let removal = this.#exclusive(place); removal !== null; removal = this.#exclusive(place)) {
      await abortable(signal, async () => removal);
    }
    const lock = this.#lock(place);
    lock.holders += 1;
    return this.#releaseOnce(place, () => {
      lock.holders -= 1;
    });
  }

  /**
   * Locks the place for a removal; waits for another removal, but never for a download.
   * @throws RbeeError STATUS_CONFLICT while a download holds the place
   */
  async acquireExclusive(place: string): Promise<Release> {
    for (let removal = this.#exclusive(place); removal !== null; removal = this.#exclusive(place)) await removal;
    if ((this.#locks.get(place)?.holders ?? 0) > 0) {
      throw new RbeeError('STATUS_CONFLICT', 'a running download uses these files', {
        hint: 'wait for it or cancel it: see "download list"',
      });
    }
    const lock = this.#lock(place);
    const { promise, resolve } = Promise.withResolvers<void>();
    lock.exclusive = promise;
    return this.#releaseOnce(place, () => {
      lock.exclusive = null;
      resolve();
    });
  }

  #exclusive(place: string): Promise<void> | null {
    return this.#locks.get(place)?.exclusive ?? null;
  }

  #lock(place: string): PlaceLock {
    const lock = this.#locks.get(place) ?? { holders: 0, exclusive: null };
    this.#locks.set(place, lock);
    return lock;
  }

  #releaseOnce(place: string, release: () => void): Release {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      release();
      const lock = this.#locks.get(place);
      if (lock?.holders === 0 && lock.exclusive === null) this.#locks.delete(place);
    };
  }
}
