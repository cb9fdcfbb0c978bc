import type { Limiter } from '@rbee/transfer';

/** The limit of a transfer that several downloads want: at each moment the most generous of theirs. */
export class SharedLimiter implements Pick<Limiter, 'isLimited' | 'pass'> {
  readonly #limiters = new Set<Limiter>();
  /** Readers that wait for a limit. */
  readonly #waiting = new Set<() => void>();

  /** Returns the function that leaves. A reader that waits for a stricter limit continues immediately. */
  join(limiter: Limiter): () => void {
    this.#limiters.add(limiter);
    for (const go of this.#waiting) go();
    return () => this.#limiters.delete(limiter);
  }

  get isLimited(): boolean {
    return this.#mostGenerous?.isLimited ?? false;
  }

  pass(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    const passing = this.#mostGenerous?.pass(bytes, signal);
    if (passing === undefined) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      passing.then(resolve, reject).finally(() => this.#waiting.delete(resolve));
    });
  }

  get #mostGenerous(): Limiter | null {
    let most: Limiter | null = null;
    for (const limiter of this.#limiters) if (most === null || rateOf(limiter) > rateOf(most)) most = limiter;
    return most;
  }
}

const rateOf = ({ bytesPerSecond }: Limiter): number => bytesPerSecond ?? Number.POSITIVE_INFINITY;
