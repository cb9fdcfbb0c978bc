import { addSpan, bytesOf, gapsOf, removeSpan, type Span } from '../partial/spans.ts';

/** What one connection fetches: `[position, end)`. The connection moves the position, the plan may move the end. */
export interface Part {
  position: number;
  end: number;
}

/** No half of a split part is shorter than this. */
const minSplitBytes = 256 * 2 ** 10;

/**
 * Which connection fetches which bytes. Parts are handed out from the front, so that a digest can follow; what a connection could not fetch
 * is released. Invariant: every missing byte is in exactly one part or unclaimed.
 */
export class RangePlan {
  readonly #parts = new Set<Part>();
  #unclaimed: readonly Span[];

  /** @param size null if unknown: then there is no end */
  constructor(written: readonly Span[], size: number | null) {
    this.#unclaimed = gapsOf(written, size ?? Number.POSITIVE_INFINITY);
  }

  get isDone(): boolean {
    return this.#unclaimed.length === 0 && this.#parts.size === 0;
  }

  get unclaimedBytes(): number {
    return bytesOf(this.#unclaimed);
  }

  /** The end of the first unclaimed span: how far a request for the next part may go. */
  get openEnd(): number | null {
    return this.#unclaimed[0]?.[1] ?? null;
  }

  /** Claims the next part, of at most `maxBytes`; null if nothing is unclaimed. */
  claim(maxBytes: number): Part | null {
    const [first] = this.#unclaimed;
    if (first === undefined) return null;
    const part = { position: first[0], end: Math.min(first[1], first[0] + maxBytes) };
    return this.#claim(part, [part.position, part.end]);
  }

  /** Lets a part grow into what follows it, so that its request can continue; false if that is claimed or the end. */
  extend(part: Part, maxBytes: number): boolean {
    const next = this.#unclaimed.find(([start]) => start === part.end);
    if (next === undefined) return false;
    const end = Math.min(next[1], part.end + maxBytes);
    this.#unclaimed = removeSpan(this.#unclaimed, [part.end, end]);
    part.end = end;
    return true;
  }

  canSplit(part: Part): boolean {
    const rest = part.end - part.position;
    return Number.isFinite(rest) && rest >= 2 * minSplitBytes;
  }

  /** Splits off the second half of a part; null if the part is too small. */
  split(part: Part): Part | null {
    if (!this.canSplit(part)) return null;
    const middle = part.position + Math.ceil((part.end - part.position) / 2);
    const half = { position: middle, end: part.end };
    part.end = middle;
    this.#parts.add(half);
    return half;
  }

  /** A connection is done with its part: everything after `written` is unclaimed again. */
  release(part: Part, written: number): void {
    if (this.#parts.delete(part)) this.#unclaimed = addSpan(this.#unclaimed, [written, part.end]);
  }

  /** The size has become known. */
  endAt(size: number): void {
    this.#unclaimed = removeSpan(this.#unclaimed, [size, Number.POSITIVE_INFINITY]);
    for (const part of this.#parts) part.end = Math.min(part.end, size);
  }

  #claim(part: Part, span: Span): Part {
    this.#unclaimed = removeSpan(this.#unclaimed, span);
    this.#parts.add(part);
    return part;
  }
}
