import type { ModelRef } from '@rbee/contract';
import type { Location } from '@rbee/transfer';

/** One file of a model, as a source names it. */
export interface SourceFile {
  /** Path inside the repo. */
  readonly path: string;
  /** The name of its blob: the source's ETag. */
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Where the bytes are now; asked again when that address has expired. */
  locate(signal: AbortSignal): Promise<Location>;
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
}

/** Where models come from. */
export interface Source<Ref extends ModelRef = ModelRef> {
  /**
   * One try to find out what the ref stands for; the caller retries.
   * @throws RbeeError with the code of the contract's table
   */
  resolve(ref: Ref, signal: AbortSignal): Promise<ResolvedModel>;
}
