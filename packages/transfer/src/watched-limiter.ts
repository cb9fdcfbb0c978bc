import type { Limiter } from './limiter.ts';

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
