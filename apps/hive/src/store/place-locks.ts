import { RbeeError } from '@rbee/contract';
import { beforeAbort } from '@rbee/transfer';

type Release = () => void;

interface Use {
  /** Downloads that count on what is in the place. */
  sharers: number;
  /** Over when nobody takes things away from it any more; null while nobody does. */
  removal: Promise<void> | null;
}

/**
 * Who uses a place of the store. A download counts on the blobs that it has found until its model is published; what
 * takes files away has the place to itself.
 */
export class PlaceUses {
  readonly #uses = new Map<string, Use>();

  /** Keeps the place as it is until the release, but for what is added; waits while something is taken away. */
  async share(place: string, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    for (let removal = this.#removal(place); removal !== null; removal = this.#removal(place)) {
      await beforeAbort(signal, async () => removal);
    }
    const use = this.#use(place);
    use.sharers += 1;
    return this.#releaseOnce(place, () => {
      use.sharers -= 1;
    });
  }

  /**
   * Takes the place for a removal; waits for another one that is under way.
   * @throws RbeeError STATUS_CONFLICT while a download counts on the place
   */
  async exclude(place: string): Promise<Release> {
    for (let removal = this.#removal(place); removal !== null; removal = this.#removal(place)) await removal;
    if ((this.#uses.get(place)?.sharers ?? 0) > 0) {
      throw new RbeeError('STATUS_CONFLICT', 'a download that is running uses these files', {
        hint: 'wait for it, or cancel it: "download list" shows it',
      });
    }
    const use = this.#use(place);
    const { promise, resolve } = Promise.withResolvers<void>();
    use.removal = promise;
    return this.#releaseOnce(place, () => {
      use.removal = null;
      resolve();
    });
  }

  #removal(place: string): Promise<void> | null {
    return this.#uses.get(place)?.removal ?? null;
  }

  #use(place: string): Use {
    const use = this.#uses.get(place) ?? { sharers: 0, removal: null };
    this.#uses.set(place, use);
    return use;
  }

  #releaseOnce(place: string, release: () => void): Release {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      release();
      const use = this.#uses.get(place);
      if (use?.sharers === 0 && use.removal === null) this.#uses.delete(place);
    };
  }
}
