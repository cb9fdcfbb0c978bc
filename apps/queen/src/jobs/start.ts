import type { JobId, PartialChoice } from '@rbee/contract';
import { CancelRequest } from '@rbee/jobs';

/** How long a hive that is being asked to start a job may still take to respond once the job is cancelled. */
const RESPONSE_GRACE_MS = 2_000;

/** A job on its way to its hives. It can be cancelled already. */
export class Start {
  /** What cancelled it; null while nothing did. */
  cancelled: CancelRequest | null = null;
  readonly #cancel = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  readonly #giveUp = new AbortController();

  /** Aborts when the hives have had the time to respond that a cancel gives them. */
  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  /** Resolves when the start is over, however it ended. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  cancel(partial: PartialChoice): void {
    if (this.cancelled !== null) return;
    this.cancelled = new CancelRequest(partial);
    this.#cancel.resolve();
    const timer = setTimeout(() => this.#giveUp.abort(this.cancelled), RESPONSE_GRACE_MS);
    void this.over.then(() => clearTimeout(timer));
  }

  /** The result of `work`, or null as soon as the start is cancelled. For work that has no effect. */
  unlessCancelled<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.#cancel.promise.then(() => null)]);
  }

  settle(): void {
    this.#over.resolve();
  }
}

/** The starts under way, so that a cancel that overtakes the response to a start finds it. */
export class Starts {
  readonly #byId = new Map<JobId, Start>();

  get(id: JobId): Start | undefined {
    return this.#byId.get(id);
  }

  async run<T>(id: JobId, work: (start: Start) => Promise<T>): Promise<T> {
    const start = new Start();
    this.#byId.set(id, start);
    try {
      return await work(start);
    } finally {
      this.#byId.delete(id);
      start.settle();
    }
  }
}
