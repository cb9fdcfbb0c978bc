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
  #earlierBytes = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#requestedAtMs = now();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  request(part: Part): void {
    this.part = part;
    this.hasServed ||= this.bytes > 0;
    this.#earlierBytes += this.bytes;
    this.bytes = 0;
    this.#requestedAtMs = this.#now();
  }

  get requestedAtMs(): number {
    return this.#requestedAtMs;
  }

  /** Received by all of its requests. */
  get totalBytes(): number {
    return this.#earlierBytes + this.bytes;
  }

  /** Bytes per millisecond of the current request; null if it is too young to tell. */
  get speed(): number | null {
    const elapsedMs = this.#now() - this.#requestedAtMs;
    return elapsedMs < minSampleMs ? null : this.bytes / elapsedMs;
  }

  /** Ends the request; others fetch the rest of its part. */
  drop(): void {
    this.isDropped = true;
    this.#end.abort(new Error('the connection is no longer wanted'));
  }
}
