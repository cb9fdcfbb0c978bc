import { strongEtag } from '@rbee/http';
import type { RangeHead, RangeRequest } from '../http/response-head.ts';
import type { PartialFile } from '../partial/partial-file.ts';
import type { Location } from '../types.ts';
import type { Connection } from './connection.ts';
import type { ConnectionGrowth } from './connection-growth.ts';
import type { DownloadFile } from './download-host.ts';
import { type Part, RangePlan } from './range-plan.ts';
import { longestRest } from './slow-connections.ts';

const MiB = 2 ** 20;
const maxPartBytes = 16 * MiB;
const minPartBytes = 2 * MiB;

/** What one attempt still has to fetch: which part to request next, and what the responses reveal about the file. Pure bookkeeping. */
export class Parts {
  readonly #file: DownloadFile;
  readonly #partial: PartialFile;
  readonly #growth: Pick<ConnectionGrowth, 'wanted'>;
  #plan: RangePlan;
  #hasBegun = false;
  /** A response began at the requested offset: the server does serve parts. */
  #areServed = false;

  constructor(file: DownloadFile, partial: PartialFile, growth: Pick<ConnectionGrowth, 'wanted'>) {
    this.#file = file;
    this.#partial = partial;
    this.#growth = growth;
    this.#plan = new RangePlan(partial.spans, partial.size);
  }

  /** A response of this attempt was accepted. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isDone(): boolean {
    return this.#plan.isDone;
  }

  get unclaimedBytes(): number {
    return this.#plan.unclaimedBytes;
  }

  /** Several connections may share the file only if something proves that their parts fit together. */
  get mayBeShared(): boolean {
    const { size, source } = this.#partial;
    return this.#hasBegun && size !== null && (this.#file.isVerified || (source?.validator ?? null) !== null);
  }

  /** Something is left for one more connection: unclaimed bytes, or a tail long enough to split. */
  hasMore(connections: ReadonlySet<Connection>): boolean {
    // One connection goes first, so that a server which ignores ranges sends the whole file only once.
    if (!this.#areServed && connections.size > 1) return false;
    if (this.#plan.unclaimedBytes > 0) return true;
    const slowest = longestRest(connections);
    return slowest !== null && this.#plan.canSplit(slowest);
  }

  /** The next part, and how far its request may go; null if nothing is left. */
  next(connections: ReadonlySet<Connection>): { readonly part: Part; readonly requestEnd: number } | null {
    const { openEnd } = this.#plan;
    const part = this.#plan.claim(this.#partBytes) ?? this.#proof ?? this.#half(connections);
    if (part === null) return null;
    // The part of a single connection grows while its request runs.
    return { part, requestEnd: connections.size === 1 ? (openEnd ?? part.end) : part.end };
  }

  extend(part: Part): boolean {
    return this.#plan.extend(part, this.#partBytes);
  }

  /** @param isAlone no other connection fetches a part of the file */
  requestFor(location: Location, { position: start }: Part, requestEnd: number, isAlone: boolean): RangeRequest {
    const { size, source, bytes } = this.#partial;
    const isToEnd = requestEnd === Number.POSITIVE_INFINITY || requestEnd === size;
    const isBoundToSource = bytes > 0 || this.#hasBegun;
    return {
      url: location.url,
      headers: location.headers ?? {},
      start,
      end: isToEnd ? null : requestEnd,
      size,
      validator: isBoundToSource ? (source?.validator ?? null) : strongEtag(location.validator ?? null),
      isVerified: this.#file.isVerified,
      mayBeWhole: isAlone,
      refusals: this.#file.limits.refusals,
      name: this.#file.name,
    };
  }

  /** A response is accepted: returns the part that its bytes are for, a new one if it brings the whole file. */
  begin(part: Part, head: RangeHead): Part {
    this.#hasBegun = true;
    if (head.start < part.position) {
      this.#plan = new RangePlan([], head.total);
      return this.#plan.claim(Number.POSITIVE_INFINITY) ?? { position: 0, end: 0 };
    }
    if (head.start > 0) this.#areServed = true;
    if (head.total !== null) this.#plan.endAt(head.total);
    return part;
  }

  /** A body without a length has ended: that is the size of the file. */
  endAt(size: number): void {
    this.#plan.endAt(size);
    const { source } = this.#partial;
    if (source !== null) this.#partial.describe(source, size);
  }

  release(part: Part, written: number): void {
    this.#plan.release(part, written);
  }

  /** Nothing is missing, but nothing proves the bytes on disk either: requests what follows the end, to see if the file is the same. */
  get #proof(): Part | null {
    const { size } = this.#partial;
    return !this.#hasBegun && this.#plan.isDone && size !== null ? { position: size, end: size } : null;
  }

  #half(connections: ReadonlySet<Connection>): Part | null {
    const slowest = longestRest(connections);
    return slowest === null ? null : this.#plan.split(slowest);
  }

  /** Long enough to make requests cheap, short enough for the last parts to end together. */
  get #partBytes(): number {
    if (this.#file.limits.maxConnections === 1) return Number.POSITIVE_INFINITY;
    const share = this.#plan.unclaimedBytes / (2 * this.#growth.wanted);
    return Math.max(minPartBytes, Math.min(maxPartBytes, Math.floor(share)));
  }
}
