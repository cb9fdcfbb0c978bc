import type { DatabaseSync } from 'node:sqlite';
import { type Clock, RbeeError } from '@rbee/contract';

/** How long a client should wait before it asks again for what could not be saved. */
const RETRY_AFTER_MS = 10_000;
/** How often writes that failed are repeated while nothing new is written. */
const REPEAT_MS = 5_000;
/** How long a write that need not be synced waits for others: they share one transaction. */
const LATER_MS = 100;
/** After so many failures in a row the rest is not tried: the disk is the reason, and not one row. */
const FAILURES_IN_A_ROW = 3;

type Write = () => unknown;
type Rows = Map<string, Write>;

/**
 * When a write is on disk: `now`, when the call returns; `soon`, at the end of this turn of the event loop, with one sync
 * for all writes of the turn; `later`, after 100 ms or with the next write that is synced. A write that is `later` survives
 * the end of the process after that time, but only the next sync makes it survive a power failure.
 */
export type WriteTime = 'now' | 'soon' | 'later';

export interface StateWriterOptions {
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  /** What is written, for messages: `the history`. */
  readonly what: string;
}

/** Rows that are written together or not at all, and who waits for them. */
interface Group {
  readonly rows: Rows;
  /** Earlier writes of these rows that are not on disk yet. */
  readonly replaced: Rows;
  readonly settle: (isSaved: boolean) => void;
}

/**
 * The one guard around the writes of a daemon's state. What happens in memory is the truth, and the disk follows: a write
 * that fails (a full or read-only disk) never throws. It is kept and repeated with the next write, and logged once until
 * writes succeed again. Only `atomically` refuses, for what must not begin without being on disk.
 */
export class StateWriter {
  readonly #db: DatabaseSync;
  readonly #options: StateWriterOptions;
  /** Writes that are not on disk yet, the newest for each row: they wait for `soon` or `later`, or have failed. */
  readonly #unsaved: Rows = new Map();
  /** What `atomicallySoon` waits for. */
  readonly #groups: Group[] = [];
  #batch: Rows | null = null;
  #cancelRepeat: (() => void) | null = null;
  #cancelLater: (() => void) | null = null;
  #immediate: NodeJS.Immediate | null = null;
  #isSynced = true;
  #failures = 0;
  #isFailing = false;

  constructor(db: DatabaseSync, options: StateWriterOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Number of rows that are newer in memory than on disk, while writes fail. */
  get unsaved(): number {
    return this.#isFailing ? this.#unsaved.size : 0;
  }

  /** Number of writes that failed since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** Writes one row, or adds it to the batch of {@link atomically}. `row` names it: only its newest write is kept. */
  write(row: string, write: Write, when: WriteTime = 'now'): void {
    const rows = this.#batch ?? this.#unsaved;
    // It takes the place of an earlier write of the row: others may need the row to be there.
    rows.set(row, write);
    if (this.#batch !== null) return;
    if (when === 'now') this.flush();
    else if (when === 'soon') this.#flushSoon();
    else this.#cancelLater ??= this.#options.clock.setTimer(LATER_MS, () => this.#save('unsynced'));
  }

  /**
   * Runs `work` and then puts all that it wrote on disk, in one transaction, or nothing of it. When this throws, the
   * caller undoes in memory what `work` did.
   * @throws RbeeError STATE_UNAVAILABLE when it cannot be written
   */
  atomically<T>(work: () => T): T {
    if (this.#batch !== null) return work();
    let isSaved = false;
    const settle = (done: boolean) => {
      isSaved = done;
    };
    const result = this.#group(work, settle);
    this.flush();
    if (!isSaved) throw this.#unavailable();
    return result;
  }

  /**
   * As {@link atomically}, with one sync for all that is written in this turn of the event loop.
   * @throws RbeeError STATE_UNAVAILABLE when it cannot be written
   */
  async atomicallySoon<T>(work: () => T): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const result = this.#group(work, resolve);
    this.#flushSoon();
    if (!(await promise)) throw this.#unavailable();
    return result;
  }

  /** Hands the system what is not on disk yet, without a sync: it survives the end of this process from now on. */
  hand(): void {
    if (this.#batch === null) this.#save('unsynced');
  }

  /** Writes what is not on disk yet a last time. */
  close(): void {
    this.flush();
    this.#cancelRepeat?.();
    this.#cancelRepeat = null;
  }

  /** Puts on disk, synced, what is not there yet. */
  flush(): void {
    this.#save('synced');
  }

  #flushSoon(): void {
    this.#immediate ??= setImmediate(() => this.flush());
  }

  /** Everything in one transaction; where that fails, each group and each row by itself, so that none holds back another. */
  #save(how: 'synced' | 'unsynced'): void {
    if (how === 'synced') {
      clearImmediate(this.#immediate ?? undefined);
      this.#immediate = null;
    }
    this.#cancelLater?.();
    this.#cancelLater = null;
    // A group must not be reported as saved without a sync, so only a synced save takes them.
    const groups = how === 'synced' ? this.#groups.splice(0) : [];
    const rows = [...groups.map((group) => [...group.rows]), [...this.#unsaved]].flat();
    if (rows.length === 0) return;
    if (
      this.#commit(
        rows.map(([, write]) => write),
        how,
      )
    ) {
      this.#unsaved.clear();
      for (const { settle } of groups) settle(true);
      this.#succeeded();
      return;
    }
    for (const { rows: ownRows, replaced, settle } of groups) {
      const isSaved = this.#commit([...ownRows.values()], how);
      if (!isSaved) for (const [row, write] of replaced) if (!this.#unsaved.has(row)) this.#unsaved.set(row, write);
      settle(isSaved);
    }
    this.#saveOneByOne(how);
  }

  #saveOneByOne(how: 'synced' | 'unsynced'): void {
    let failures = 0;
    for (const [row, write] of [...this.#unsaved]) {
      this.#unsaved.delete(row);
      if (this.#commit([write], how)) {
        failures = 0;
        continue;
      }
      // Last in the order now: one row that can never be written must not hold back the others.
      this.#unsaved.set(row, write);
      failures += 1;
      if (failures === FAILURES_IN_A_ROW) return;
    }
    if (this.#unsaved.size === 0) this.#succeeded();
  }

  #commit(writes: readonly Write[], how: 'synced' | 'unsynced'): boolean {
    try {
      this.#sync(how === 'synced');
      this.#db.exec('BEGIN');
      for (const write of writes) write();
      this.#db.exec('COMMIT');
      return true;
    } catch (err) {
      this.#rollBack();
      this.#failed(err);
      return false;
    }
  }

  /** In WAL mode, NORMAL leaves out the sync at the end of a transaction, and the next FULL one makes up for it. */
  #sync(isSynced: boolean): void {
    if (this.#isSynced === isSynced) return;
    this.#db.exec(`PRAGMA synchronous = ${isSynced ? 'FULL' : 'NORMAL'}`);
    this.#isSynced = isSynced;
  }

  #failed(err: unknown): void {
    this.#failures += 1;
    if (!this.#isFailing) {
      this.#options.log.error({ err }, `${this.#options.what} cannot be written; work continues without it`);
    }
    this.#isFailing = true;
    this.#cancelRepeat ??= this.#options.clock.setTimer(REPEAT_MS, () => {
      this.#cancelRepeat = null;
      this.flush();
    });
  }

  #succeeded(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.log.info({}, `${this.#options.what} can be written again`);
  }

  /** Collects what `work` writes. When it throws, nothing of that is written. */
  #group<T>(work: () => T, settle: Group['settle']): T {
    const group: Group = { rows: new Map(), replaced: new Map(), settle };
    this.#batch = group.rows;
    let result: T;
    try {
      result = work();
    } finally {
      this.#batch = null;
    }
    for (const row of group.rows.keys()) {
      const earlier = this.#unsaved.get(row);
      if (earlier) group.replaced.set(row, earlier);
      this.#unsaved.delete(row);
    }
    this.#groups.push(group);
    return result;
  }

  #unavailable(): RbeeError {
    return new RbeeError('STATE_UNAVAILABLE', `${this.#options.what} cannot be written`, {
      hint: 'free disk space for the state folder, or make it writable, and try again',
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  /** Some failures, such as a full disk, end the transaction by themselves. */
  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    } catch (err) {
      this.#options.log.error({ err }, `${this.#options.what} could not be rolled back`);
    }
  }
}
