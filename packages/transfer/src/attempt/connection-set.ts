import type { ConnectionBudget } from '../connection-budget.ts';
import { Connection } from './connection.ts';
import { fastest } from './slow-connections.ts';

/**
 * The connections of one attempt and their share of the budget: one each, and one while there are none, so that a running attempt never
 * queues again.
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

  /** Waits for the first connection of the budget. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#budget?.acquire(signal);
  }

  /** Releases the last one, once all are retired. */
  close(): void {
    this.#budget?.release();
  }

  /** One more; null if the budget is used up or somebody waits for a first one. The only connection is never refused. */
  add(now: () => number): Connection | null {
    const budget = this.#budget;
    if (this.#all.size > 0 && (budget?.isWanted === true || budget?.tryAcquire() === false)) return null;
    const connection = new Connection(now);
    this.#all.add(connection);
    this.#onSize(this.#all.size);
    return connection;
  }

  /** Takes a connection out. */
  retire(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    this.#onSize(this.#all.size);
    if (this.#all.size > 0) this.#budget?.release();
  }

  /** It should go: fewer are wanted, or another transfer has none. */
  isExcess(connection: Connection, wanted: number): boolean {
    if (this.#all.size === 1) return false;
    return this.#budget?.isWanted === true || !fastest(this.#all, wanted).includes(connection);
  }
}
