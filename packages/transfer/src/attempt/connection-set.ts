import type { ConnectionBudget } from '../connection-budget.ts';
import { Connection } from './connection.ts';
import { fastest } from './slow-connections.ts';

/**
 * The connections of one attempt and what they take of a shared budget: one each, and one also while there is none, so that
 * an attempt that has begun never waits for others again.
 */
export class ConnectionSet {
  readonly #all = new Set<Connection>();
  readonly #budget: ConnectionBudget | undefined;
  readonly #onSize: (connections: number) => void;

  constructor(budget: ConnectionBudget | undefined, onSize: (connections: number) => void) {
    this.#budget = budget;
    this.#onSize = onSize;
  }

  get all(): ReadonlySet<Connection> {
    return this.#all;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Before the first one: waits for its turn. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#budget?.acquire(signal);
  }

  /** When all are retired. */
  close(): void {
    this.#budget?.release();
  }

  /** One more; null where others have the rest of the budget, or need it more. The only one is never refused. */
  add(now: () => number): Connection | null {
    const budget = this.#budget;
    if (this.#all.size > 0 && (budget?.isWanted === true || budget?.tryAcquire() === false)) return null;
    const connection = new Connection(now);
    this.#all.add(connection);
    this.#onSize(this.#all.size);
    return connection;
  }

  /** It takes no further part. */
  retire(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    this.#onSize(this.#all.size);
    if (this.#all.size > 0) this.#budget?.release();
  }

  /** It should go because fewer are wanted, or because somebody has none. */
  isExcess(connection: Connection, wanted: number): boolean {
    if (this.#all.size === 1) return false;
    return this.#budget?.isWanted === true || !fastest(this.#all, wanted).includes(connection);
  }
}
