import type { DatabaseSync } from 'node:sqlite';
import { type Clock, RbeeError } from '@rbee/contract';

/** How long a client should wait before it asks again for what could not be saved. */
const RETRY_AFTER_MS = 10_000;
/** How often writes that failed are repeated while nothing new is written. */
const REPEAT_MS = 5_000;

type Write = () => unknown;

export interface StateWriterOptions {
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  /** What is written, for messages: `the history`. */
  readonly what: string;
}

/**
 * The one guard around the writes of a daemon's state. What happens in memory is the truth, and the disk follows: a write
 * that fails (a full or read-only disk) never throws. It is kept and repeated with the next write, and logged once until
 * writes succeed again. Only `atomically` refuses, for what must not begin without being on disk.
 */
export class StateWriter {
  readonly #db: DatabaseSync;
  readonly #options: StateWriterOptions;
  /** Writes that have failed, the newest for each row. */
  readonly #unsaved = new Map<string, Write>();
  #batch: Map<string, Write> | null = null;
  #cancelRepeat: (() => void) | null = null;
  #failures = 0;
  #isFailing = false;

  constructor(db: DatabaseSync, options: StateWriterOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Number of rows that are newer in memory than on disk. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  /** Number of writes that failed since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** Writes one row now, or with the batch of {@link atomically}. `row` names it: only its newest write is kept. */
  write(row: string, write: Write): void {
    // A later write of the row replaces an earlier one, also in the order.
    (this.#batch ?? this.#unsaved).delete(row);
    if (this.#batch !== null) {
      this.#batch.set(row, write);
      return;
    }
    if (this.#try(write)) this.flush();
    else this.#unsaved.set(row, write);
  }

  /**
   * Runs `work` and then puts all that it wrote on disk, in one transaction, or nothing of it. When this throws, the
   * caller undoes in memory what `work` did.
   * @throws RbeeError STATE_UNAVAILABLE when it cannot be written
   */
  atomically<T>(work: () => T): T {
    if (this.#batch !== null) return work();
    const batch = new Map<string, Write>();
    this.#batch = batch;
    let result: T;
    try {
      result = work();
    } finally {
      this.#batch = null;
    }
    const commit = () => {
      this.#db.exec('BEGIN');
      for (const write of batch.values()) write();
      this.#db.exec('COMMIT');
    };
    if (!this.#try(commit)) {
      throw new RbeeError('STATE_UNAVAILABLE', `${this.#options.what} cannot be written`, {
        hint: 'free disk space for the state folder, or make it writable, and try again',
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    for (const row of batch.keys()) this.#unsaved.delete(row);
    this.flush();
    return result;
  }

  /** Repeats the writes that failed a last time. */
  close(): void {
    this.flush();
    this.#cancelRepeat?.();
    this.#cancelRepeat = null;
  }

  /** Repeats the writes that failed, until one fails again. */
  flush(): void {
    for (const [row, write] of [...this.#unsaved]) {
      this.#unsaved.delete(row);
      if (this.#try(write)) continue;
      // Last in the order now: one row that can never be written must not hold back the others.
      this.#unsaved.set(row, write);
      return;
    }
    if (this.#isFailing) {
      this.#isFailing = false;
      this.#options.log.info({}, `${this.#options.what} can be written again`);
    }
  }

  #try(write: Write): boolean {
    try {
      write();
      return true;
    } catch (err) {
      this.#rollBack();
      this.#failures += 1;
      if (!this.#isFailing) {
        this.#options.log.error({ err }, `${this.#options.what} cannot be written; work continues without it`);
      }
      this.#isFailing = true;
      this.#cancelRepeat ??= this.#options.clock.setTimer(REPEAT_MS, () => {
        this.#cancelRepeat = null;
        this.flush();
      });
      return false;
    }
  }

  /** Some failures, such as a full disk, end the transaction by themselves. */
  #rollBack(): void {
    if (!this.#db.isTransaction) return;
    try {
      this.#db.exec('ROLLBACK');
    } catch (err) {
      this.#options.log.error({ err }, `${this.#options.what} could not be rolled back`);
    }
  }
}
