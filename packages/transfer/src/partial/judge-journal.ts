import type { LoadedJournal } from './journal.ts';
import { bytesOf, type Span } from './spans.ts';

/** What is known of the file that is wanted; null where it is not known. */
export interface WantedFile {
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
}

/** Where the bytes of a partial came from. */
export interface PartialSource {
  /** Without user, query and fragment. */
  readonly url: string;
  /** Strong ETag; null where the server gave none. */
  readonly validator: string | null;
}

export interface PartialOrigin {
  /**
   * `new`: nothing was known. `kept`: the bytes count. `damaged`: the journal cannot be read or claims what is not there.
   * `foreign`: it is of another file. `unproven`: nothing could show that the rest will fit.
   */
  readonly state: 'new' | 'kept' | 'damaged' | 'foreign' | 'unproven';
  /** What counts. */
  readonly spans: readonly Span[];
  readonly size: number | null;
  readonly source: PartialSource | null;
}

/**
 * Decides what of a partial may be kept. In doubt nothing: a restart costs time, a wrong byte costs trust.
 * @param length what the file system says is in the partial
 */
export function judgeJournal(loaded: LoadedJournal, wanted: WantedFile, length: number): PartialOrigin {
  if (loaded.state === 'missing') return nothing('new');
  if (loaded.state === 'damaged') return nothing('damaged');
  if (loaded.state === 'outlived') return nothing('unproven');
  const { url, validator, size, sha256, gitSha1, ranges } = loaded.journal;
  if (differs(size, wanted.size) || differs(sha256, wanted.sha256) || differs(gitSha1, wanted.gitSha1)) {
    return nothing('foreign');
  }
  // A digest that is checked at the end makes up for a missing validator: a mixture of two versions cannot pass it.
  if (validator === null && wanted.sha256 === null && wanted.gitSha1 === null) return nothing('unproven');
  const lastEnd = ranges.at(-1)?.[1] ?? 0;
  if (lastEnd > length) return nothing('damaged');
  if (bytesOf(ranges) === 0) return nothing('new');
  return { state: 'kept', spans: ranges, size, source: { url, validator } };
}

function differs<T>(known: T | null, wanted: T | null): boolean {
  return known !== null && wanted !== null && known !== wanted;
}

function nothing(state: PartialOrigin['state']): PartialOrigin {
  return { state, spans: [], size: null, source: null };
}
