interface Waiting {
  readonly priority: () => number;
  readonly go: () => void;
}

/** A bounded number of places: the highest priority goes first, and among equals whoever asked first. */
export class Slots {
  readonly #waiting = new Set<Waiting>();
  #count: number;
  #taken = 0;

  constructor(count: number) {
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Changes how many places there are. Whoever has one keeps it, also where there are fewer now. */
  resize(count: number): void {
    this.#count = count;
    this.#giveOut();
  }

  /**
   * Waits for a place; the answer gives it back. `priority` is asked whenever a place is free, so that it may change
   * meanwhile. Rejects with the signal's reason on abort.
   */
  async take(signal: AbortSignal, priority: () => number): Promise<() => void> {
    signal.throwIfAborted();
    await this.#wait(signal, priority);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#taken -= 1;
      this.#giveOut();
    };
  }

  #wait(signal: AbortSignal, priority: () => number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiting: Waiting = { priority, go };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', leave, { once: true });
      this.#giveOut();
    });
  }

  #giveOut(): void {
    while (this.#taken < this.#count) {
      const next = this.#first();
      if (next === null) return;
      this.#waiting.delete(next);
      this.#taken += 1;
      next.go();
    }
  }

  #first(): Waiting | null {
    let first: Waiting | null = null;
    for (const waiting of this.#waiting) if (first === null || waiting.priority() > first.priority()) first = waiting;
    return first;
  }
}
