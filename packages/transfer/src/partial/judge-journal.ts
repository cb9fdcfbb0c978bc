import type { LoadedJournal } from './journal.ts';
import { bytesOf, type Span } from './spans.ts';

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
   * `new`: no partial. `kept`: its bytes are used. `damaged`: the journal is unreadable or claims bytes that are not there.
   * `foreign`: it belongs to another file. `unproven`: nothing could prove that the rest will fit.
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
  if (loaded.state === 'missing') return nothing('new');
  if (loaded.state === 'damaged') return nothing('damaged');
  if (loaded.state === 'outlived') return nothing('unproven');
  const { url, validator, size, sha256, gitSha1, ranges } = loaded.journal;
  if (differs(size, wanted.size) || differs(sha256, wanted.sha256) || differs(gitSha1, wanted.gitSha1)) {
    return nothing('foreign');
  }
  // A digest makes up for a missing validator: a mixture of two versions cannot match it.
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
