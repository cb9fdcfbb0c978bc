import type { Part } from './range-plan.ts';

/** A speed over less than this says little. */
const minSampleMs = 500;

/** One connection of a transfer: which part it fetches, and how fast. */
export class Connection {
  readonly #now: () => number;
  readonly #end = new AbortController();
  part: Part | null = null;
  /** Of the running request. */
  bytes = 0;
  isDropped = false;
  /** An earlier request has brought something. */
  hasServed = false;
  #requestedAtMs: number;
  #window: { readonly fromMs: number; readonly bytes: number };

  constructor(now: () => number) {
    this.#now = now;
    this.#requestedAtMs = now();
    this.#window = { fromMs: this.#requestedAtMs, bytes: 0 };
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  request(part: Part): void {
    this.part = part;
    this.hasServed ||= this.bytes > 0;
    this.bytes = 0;
    this.#requestedAtMs = this.#now();
    this.#window = { fromMs: this.#requestedAtMs, bytes: 0 };
  }

  /** Bytes per millisecond of the running request; null where it is too young to say. */
  get speed(): number | null {
    const elapsedMs = this.#now() - this.#requestedAtMs;
    return elapsedMs < minSampleMs ? null : this.bytes / elapsedMs;
  }

  /** The same over the last window, once it is over; then the next one begins. */
  windowSpeed(windowMs: number): number | null {
    const elapsedMs = this.#now() - this.#window.fromMs;
    if (elapsedMs < windowMs) return null;
    const speed = (this.bytes - this.#window.bytes) / elapsedMs;
    this.renewWindow();
    return speed;
  }

  /** The window begins again: what has come in it says nothing of the connection. */
  renewWindow(): void {
    this.#window = { fromMs: this.#now(), bytes: this.bytes };
  }

  /** Ends the request: others fetch the rest of its part. */
  drop(): void {
    this.isDropped = true;
    this.#end.abort(new Error('the connection is not wanted any more'));
  }
}
