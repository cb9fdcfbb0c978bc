import { type Clock, systemClock } from '@rbee/contract/plain';

/** What may be used at once after a pause: short enough that no second is much faster than the limit. */
const BURST_SECONDS = 0.05;
const MIN_WAIT_MS = 1;

/**
 * A limit on bytes per second. Whoever received bytes tells it, and reads on when it says so. Limits nest: what passes a
 * child has to pass its parent too, and the parent serves its children in turn, so that each gets the same share.
 */
export interface Limiter {
  /** null is unlimited. */
  readonly bytesPerSecond: number | null;
  /** Whether it or one above it limits anything now. */
  readonly isLimited: boolean;
  /** Changes the limit; those who wait now wait by the new one. */
  set(bytesPerSecond: number | null): void;
  /**
   * Counts bytes that have come. Undefined where the next may be read at once (always, and at no cost, while nothing is
   * limited), else a promise for the moment when they may. Rejects with the signal's reason on abort.
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
 * A token bucket that runs into debt: what has come cannot be sent back, so the bytes are taken off at once and the next
 * reader waits until the debt is paid. So the mean is exact whatever the size of a read.
 */
class Bucket {
  bytesPerSecond: number | null;
  readonly #clock: Clock;
  /** Those who wait, by child; the map's order is whose turn it is. */
  readonly #queues = new Map<symbol, Waiting[]>();
  #tokens = 0;
  #filledAtMs: number;
  #cancelTimer: (() => void) | null = null;

  constructor(bytesPerSecond: number | null, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#filledAtMs = clock.now();
  }

  set(bytesPerSecond: number | null): void {
    this.#fill();
    this.bytesPerSecond = bytesPerSecond;
    // A debt from a higher limit would take long to pay by a lower one.
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

  /** Whose turn it is, taken out of the queue and put behind the others; null where nobody waits or nothing is left. */
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
    const nowMs = this.#clock.now();
    // A clock that jumped gives neither a debt nor a flood.
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = nowMs;
    if (this.bytesPerSecond === null) return;
    const most = this.bytesPerSecond * BURST_SECONDS;
    this.#tokens = Math.min(most, this.#tokens + (this.bytesPerSecond * elapsedMs) / 1000);
  }
}

/** A limiter for the connections of one download, which tells whether it holds one of them back. */
export class WatchedLimiter implements Pick<Limiter, 'isLimited' | 'pass'> {
  readonly #limiter: Limiter;
  #waiting = 0;

  constructor(limiter: Limiter) {
    this.#limiter = limiter;
  }

  get isLimited(): boolean {
    return this.#limiter.isLimited;
  }

  /** A read waits until the limit lets more bytes come. */
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
