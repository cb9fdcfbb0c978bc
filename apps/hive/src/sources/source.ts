import { type ModelRef, RbeeError, type Scheme } from '@rbee/contract';
import type { Location } from '@rbee/transfer';

/** One file of a model, as a source names it. */
export interface SourceFile {
  /** Path inside the repo. */
  readonly path: string;
  /** The name of its blob: the source's ETag, its sha256, or a name made for this version (`version-` and 40 hex digits). */
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Where the bytes are now; asked again when that address has expired. */
  locate(signal: AbortSignal): Promise<Location>;
  /** Of a source that has it on this machine: it is copied then, and its location is a `file:` URL. */
  readonly local?: LocalOriginal;
  /**
   * Set where nothing tells one version from another: a blob of that name may be of an older one, so that it is fetched
   * again whatever is there.
   */
  readonly isUnversioned?: true;
}

/** A file of this machine, as it was when it was looked at. */
export interface LocalOriginal {
  readonly path: string;
  /** 40 hex digits that change with its content: made of size and time. */
  readonly version: string;
}

/** What a ref stands for at this moment, pinned: the same answer for ever. */
export interface ResolvedModel {
  /** Where the store keeps it: `hf:org/repo`, or `<scheme>:<name>` with a name of letters, digits, ".", "_" and "-". */
  readonly place: string;
  /** What a person calls the place: `org/repo`, a host, `library/name`. */
  readonly title: string;
  /** What the ref named, which may move: a branch, a tag; equal to `commit` where that was named. */
  readonly revision: string;
  /** 40 hex digits that name this version for ever. */
  readonly commit: string;
  readonly files: readonly [SourceFile, ...SourceFile[]];
  /**
   * The ref that names this version, as the catalog keeps it. `sha256` is that of the one file once it is known; null
   * before, and for several files. A source that has no form for it answers the ref as it was asked.
   */
  pinnedRef(sha256: string | null): string;
  /** Where the answer is from the store: why the source was not asked, for the narration. */
  readonly fromStore?: string;
}

/** Where models come from. */
export interface Source<Ref extends ModelRef = ModelRef> {
  /**
   * One try to find out what the ref stands for; the caller retries.
   * @throws RbeeError with the code of the contract's table
   */
  resolve(ref: Ref, signal: AbortSignal): Promise<ResolvedModel>;
}

/** The sources of a hive, by the scheme that a ref begins with. */
export type Sources = { readonly [S in Scheme]?: Source<Extract<ModelRef, { scheme: S }>> };

/** The source of a ref. @throws RbeeError SOURCE_NOT_ALLOWED where the hive has none for its scheme */
export function sourceOf(sources: Sources, { scheme }: ModelRef): Source {
  const source: Source | undefined = sources[scheme];
  if (source === undefined) throw new RbeeError('SOURCE_NOT_ALLOWED', `this hive cannot fetch ${scheme}: refs`);
  return source;
}
