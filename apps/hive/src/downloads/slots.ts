interface Waiter {
  readonly priority: () => number;
  readonly grant: () => void;
}

/** A semaphore with priorities: the highest goes first, equals in the order they came. */
export class Slots {
  readonly #waiters = new Set<Waiter>();
  #count: number;
  #acquired = 0;
  #isHeld = false;

  constructor(count: number) {
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether a caller has to wait. */
  get areTaken(): boolean {
    return this.#acquired >= this.#count;
  }

  /** How many callers are waiting for a slot. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Changes the number of slots. Those in use stay in use, even if there are more of them than `count` now. */
  resize(count: number): void {
    this.#count = count;
    this.#grantFree();
  }

  /** Grants no slot until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#grantFree();
  }

  /**
   * Waits for a slot and resolves with its release. `priority` is read each time a slot becomes free, so it may change
   * while the caller waits. Rejects with the signal's reason on abort.
   */
  async acquire(signal: AbortSignal, priority: () => number): Promise<() => void> {
    signal.throwIfAborted();
    await this.#wait(signal, priority);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#acquired -= 1;
      this.#grantFree();
    };
  }

  #wait(signal: AbortSignal, priority: () => number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      const grant = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiter: Waiter = { priority, grant };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', leave, { once: true });
      this.#grantFree();
    });
  }

  #grantFree(): void {
    while (!this.#isHeld && this.#acquired < this.#count) {
      const next = this.#first();
      if (next === null) return;
      this.#waiters.delete(next);
      this.#acquired += 1;
      next.grant();
    }
  }

  #first(): Waiter | null {
    let first: Waiter | null = null;
    for (const waiter of this.#waiters) if (first === null || waiter.priority() > first.priority()) first = waiter;
    return first;
  }
}
