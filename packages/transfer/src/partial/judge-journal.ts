import type { LoadedJournal } from './journal.ts';
import { bytesOf, removeSpan, type Span } from './spans.ts';

/** What is known about the wanted file; null if unknown. */
export interface WantedFile {
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
}

/** Where the bytes of a partial came from. */
export interface PartialSource {
  /** Without user, query and fragment. */
  readonly url: string;
  /** Strong ETag; null if the server sent none. */
  readonly validator: string | null;
}

export interface PartialOrigin {
  /**
   * `new`: no partial. `kept`: its bytes are used. `damaged`: the journal is unreadable, or claims only bytes that are not there.
   * `foreign`: it belongs to another file, or is a link to one. `unproven`: nothing could prove that the rest will fit.
   */
  readonly state: 'new' | 'kept' | 'damaged' | 'foreign' | 'unproven';
  /** The bytes that are used. */
  readonly spans: readonly Span[];
  readonly size: number | null;
  readonly source: PartialSource | null;
}

/**
 * Decides which bytes of a partial are kept. When in doubt, none: a restart costs time, a wrong byte costs trust.
 * @param length of the partial, according to the file system
 */
export function judgeJournal(loaded: LoadedJournal, wanted: WantedFile, length: number): PartialOrigin {
  if (loaded.state === 'missing') return nothingFrom('new');
  if (loaded.state === 'damaged') return nothingFrom('damaged');
  if (loaded.state === 'outlived') return nothingFrom('unproven');
  const { url, validator, size, sha256, gitSha1, ranges } = loaded.journal;
  if (differs(size, wanted.size) || differs(sha256, wanted.sha256) || differs(gitSha1, wanted.gitSha1)) {
    return nothingFrom('foreign');
  }
  // A digest makes up for a missing validator: a mixture of two versions cannot match it.
  if (validator === null && wanted.sha256 === null && wanted.gitSha1 === null) return nothingFrom('unproven');
  if (bytesOf(ranges) === 0) return nothingFrom('new');
  // The end was cut, on a full disk or by a power failure: what lies before it is as true as it was.
  const spans = removeSpan(ranges, [length, Number.POSITIVE_INFINITY]);
  if (spans.length === 0) return nothingFrom('damaged');
  return { state: 'kept', spans, size, source: { url, validator } };
}

function differs<T>(known: T | null, wanted: T | null): boolean {
  return known !== null && wanted !== null && known !== wanted;
}

/** No bytes are used. */
export function nothingFrom(state: PartialOrigin['state']): PartialOrigin {
  return { state, spans: [], size: null, source: null };
}
