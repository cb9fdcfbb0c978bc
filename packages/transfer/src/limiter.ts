import { type Clock, systemClock } from '@rbee/contract/plain';

/** The burst after a pause: short enough that no second is much faster than the limit. */
const BURST_SECONDS = 0.05;
const MIN_WAIT_MS = 1;

/**
 * A limit on bytes per second. A reader reports received bytes and reads on when told to. Limits nest: bytes that pass a child also have to
 * pass its parent, and the parent serves its children in turn, so that each gets the same share.
 */
export interface Limiter {
  /** null is unlimited. */
  readonly bytesPerSecond: number | null;
  /** Whether it or one above it limits anything now. */
  readonly isLimited: boolean;
  /** Changes the limit, also for readers that are waiting. */
  set(bytesPerSecond: number | null): void;
  /**
   * Counts received bytes. Undefined if the reader may continue immediately (always, and for free, while nothing is limited), otherwise a
   * promise that resolves when it may. Rejects with the signal's reason on abort.
   */
  pass(bytes: number, signal: AbortSignal): Promise<void> | undefined;
  /** A limit below this one. */
  child(bytesPerSecond: number | null): Limiter;
}

export function createLimiter(bytesPerSecond: number | null, clock: Clock = systemClock): Limiter {
  return limiterOver(new Bucket(bytesPerSecond, clock), null, clock);
}

function limiterOver(
  bucket: Bucket,
  parent: { readonly pass: (bytes: number, signal: AbortSignal) => Passing; readonly isLimited: () => boolean } | null,
  clock: Clock,
): Limiter {
  const isLimited = () => bucket.bytesPerSecond !== null || parent?.isLimited() === true;
  const own = Symbol('own');
  const passAs =
    (key: symbol) =>
    (bytes: number, signal: AbortSignal): Passing => {
      const passing = bucket.pass(key, bytes, signal);
      if (parent === null) return passing;
      return passing === undefined ? parent.pass(bytes, signal) : passing.then(() => parent.pass(bytes, signal));
    };
  return {
    get bytesPerSecond() {
      return bucket.bytesPerSecond;
    },
    get isLimited() {
      return isLimited();
    },
    set: (next) => bucket.set(next),
    pass: passAs(own),
    child: (limit) => limiterOver(new Bucket(limit, clock), { pass: passAs(Symbol('child')), isLimited }, clock),
  };
}

type Passing = Promise<void> | undefined;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * A token bucket that can go into debt: received bytes cannot be sent back, so their tokens are taken immediately and the next reader waits
 * until the debt is paid. The mean rate is exact whatever the size of a read.
 */
class Bucket {
  bytesPerSecond: number | null;
  readonly #clock: Clock;
  /** Waiting readers by child, in the order of their turns. */
  readonly #queues = new Map<symbol, Waiting[]>();
  #tokens = 0;
  #filledAtMs: number;
  #cancelTimer: (() => void) | null = null;

  constructor(bytesPerSecond: number | null, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#filledAtMs = clock.elapsed();
  }

  set(bytesPerSecond: number | null): void {
    this.#fill();
    this.bytesPerSecond = bytesPerSecond;
    // A debt run up under a higher limit would take too long to pay off under a lower one.
    this.#tokens = 0;
    this.#serve();
  }

  pass(key: symbol, bytes: number, signal: AbortSignal): Passing {
    if (this.bytesPerSecond === null) return undefined;
    this.#fill();
    if (this.#queues.size === 0 && this.#tokens > 0) {
      this.#tokens -= bytes;
      return undefined;
    }
    return this.#wait(key, bytes, signal);
  }

  #wait(key: symbol, bytes: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#remove(key, waiting);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiting: Waiting = { bytes, go };
      signal.addEventListener('abort', leave, { once: true });
      const queue = this.#queues.get(key) ?? [];
      queue.push(waiting);
      this.#queues.set(key, queue);
      this.#serve();
    });
  }

  #remove(key: symbol, waiting: Waiting): void {
    const rest = (this.#queues.get(key) ?? []).filter((other) => other !== waiting);
    if (rest.length > 0) this.#queues.set(key, rest);
    else this.#queues.delete(key);
  }

  #serve(): void {
    this.#fill();
    for (let next = this.#next(); next !== null; next = this.#next()) {
      if (this.bytesPerSecond !== null) this.#tokens -= next.bytes;
      next.go();
    }
    this.#schedule();
  }

  /** Takes the next reader from the queues and moves its child to the back; null if nobody waits or no tokens are left. */
  #next(): Waiting | null {
    if (this.bytesPerSecond !== null && this.#tokens <= 0) return null;
    for (const [key, [first, ...rest]] of this.#queues) {
      this.#queues.delete(key);
      if (rest.length > 0) this.#queues.set(key, rest);
      if (first) return first;
    }
    return null;
  }

  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#queues.size === 0 || this.bytesPerSecond === null) return;
    const ms = Math.max(MIN_WAIT_MS, Math.ceil(((1 - this.#tokens) * 1000) / this.bytesPerSecond));
    this.#cancelTimer = this.#clock.setTimer(ms, () => {
      this.#cancelTimer = null;
      this.#serve();
    });
  }

  #fill(): void {
    const nowMs = this.#clock.elapsed();
    const elapsedMs = nowMs - this.#filledAtMs;
    this.#filledAtMs = nowMs;
    if (this.bytesPerSecond === null) return;
    const most = this.bytesPerSecond * BURST_SECONDS;
    this.#tokens = Math.min(most, this.#tokens + (this.bytesPerSecond * elapsedMs) / 1000);
  }
}

/** The limiter of one download's connections; also tells whether any of them is held back. */
export class WatchedLimiter implements Pick<Limiter, 'isLimited' | 'pass'> {
  readonly #limiter: Pick<Limiter, 'isLimited' | 'pass'>;
  #waiting = 0;

  constructor(limiter: Pick<Limiter, 'isLimited' | 'pass'>) {
    this.#limiter = limiter;
  }

  get isLimited(): boolean {
    return this.#limiter.isLimited;
  }

  /** At least one connection waits for the limit. */
  get isHolding(): boolean {
    return this.#waiting > 0;
  }

  pass(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    const passing = this.#limiter.pass(bytes, signal);
    if (passing === undefined) return undefined;
    this.#waiting += 1;
    const passed = () => {
      this.#waiting -= 1;
    };
    passing.then(passed, passed);
    return passing;
  }
}
