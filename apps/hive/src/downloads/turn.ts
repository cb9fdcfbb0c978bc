import { abortable } from '@rbee/transfer';
import type { Slots } from './slots.ts';

/**
 * A download's slot in the queue. It is given back while everything that the download does is to watch transfers of
 * others, and taken again before it transfers something itself.
 */
export class Turn {
  readonly #slots: Slots;
  readonly #priority: () => number;
  readonly #ended = new AbortController();
  #release: (() => void) | null = null;
  #taking: Promise<void> | null = null;
  /** Files in progress that do not only watch. */
  #active = 0;

  constructor(slots: Slots, priority: () => number) {
    this.#slots = slots;
    this.#priority = priority;
  }

  get isHeld(): boolean {
    return this.#release !== null;
  }

  /** Whether `take` would wait in the queue. */
  get hasToQueue(): boolean {
    return !this.isHeld && this.#slots.areTaken;
  }

  /** Waits for the slot, unless it is held. Rejects with the signal's reason on abort. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.isHeld) return;
    this.#taking ??= this.#slots.acquire(this.#ended.signal, this.#priority).then((release) => {
      this.#taking = null;
      if (this.#ended.signal.aborted) release();
      else this.#release = release;
    });
    const taking = this.#taking;
    await abortable(signal, () => taking);
  }

  /** Work on one file of the download, for which it holds the slot. */
  async work<T>(work: () => Promise<T>): Promise<T> {
    this.#active += 1;
    try {
      return await work();
    } finally {
      this.#active -= 1;
    }
  }

  /** A part of `work` that needs no slot. */
  async watch<T>(watch: () => Promise<T>): Promise<T> {
    this.#active -= 1;
    if (this.#active === 0) this.#giveBack();
    try {
      return await watch();
    } finally {
      this.#active += 1;
    }
  }

  /** Gives the slot back for good, or leaves the queue. */
  end(): void {
    this.#taking?.catch(() => {});
    this.#ended.abort(new Error('the download needs no slot any more'));
    this.#giveBack();
  }

  #giveBack(): void {
    this.#release?.();
    this.#release = null;
  }
}
