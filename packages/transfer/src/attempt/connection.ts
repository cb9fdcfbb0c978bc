import type { Part } from './range-plan.ts';

/** Speeds over less than this are meaningless. */
const minSampleMs = 500;

/** One connection of an attempt: which part it fetches, and how fast. */
export class Connection {
  readonly #now: () => number;
  readonly #end = new AbortController();
  part: Part | null = null;
  /** Received by the current request. */
  bytes = 0;
  isDropped = false;
  /** A previous request received something. */
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

  /** Bytes per millisecond of the current request; null if it is too young to tell. */
  get speed(): number | null {
    const elapsedMs = this.#now() - this.#requestedAtMs;
    return elapsedMs < minSampleMs ? null : this.bytes / elapsedMs;
  }

  /** Bytes per millisecond over the last window once it is over, which starts the next one; null before. */
  windowSpeed(windowMs: number): number | null {
    const elapsedMs = this.#now() - this.#window.fromMs;
    if (elapsedMs < windowMs) return null;
    const speed = (this.bytes - this.#window.bytes) / elapsedMs;
    this.renewWindow();
    return speed;
  }

  /** Starts the window again: what it has seen says nothing about the connection. */
  renewWindow(): void {
    this.#window = { fromMs: this.#now(), bytes: this.bytes };
  }

  /** Ends the request; others fetch the rest of its part. */
  drop(): void {
    this.isDropped = true;
    this.#end.abort(new Error('the connection is no longer wanted'));
  }
}
