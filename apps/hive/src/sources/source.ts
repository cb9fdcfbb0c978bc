import { type ModelRef, RbeeError, type RefOf, type Scheme } from '@rbee/contract';
import type { Location } from '@rbee/transfer';

/** One file of a model, as its source describes it. */
export interface SourceFile {
  /** Path inside the repo. */
  readonly path: string;
  /** The name of its blob: the source's ETag, its sha256, or a name made for this version (`version-` and 40 hex digits). */
  readonly blobName: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  /** Where the bytes are now; called again when that address has expired. */
  locate(signal: AbortSignal): Promise<Location>;
  /** Set for a file of this machine: it is copied, and its location is a `file:` URL. */
  readonly local?: LocalOriginal;
  /**
   * Set where nothing tells versions apart: a blob of that name may hold an older one, so the file is always downloaded
   * again.
   */
  readonly isUnversioned?: true;
  /** Set for a file that belongs to a model of one file and lies beside it: the path of the model is not the folder. */
  readonly isBeside?: true;
}

/** A file of this machine, as it was when it was examined. */
export interface LocalOriginal {
  readonly path: string;
  /** 40 hex digits that change with its content, made of size and time. */
  readonly version: string;
}

/** What a ref stands for at this moment, pinned: it never changes. */
export interface ResolvedModel {
  /** Where the store keeps it: `hf:org/repo`, or `<scheme>:<name>` with a name of letters, digits, ".", "_" and "-". */
  readonly place: string;
  /** What people call the place: `org/repo`, a host, `library/name`. */
  readonly title: string;
  /** The branch or tag of the ref, which may move; equal to `commit` where the ref names that. */
  readonly revision: string;
  /** 40 hex digits that always name this version. */
  readonly commit: string;
  readonly files: readonly [SourceFile, ...SourceFile[]];
  /**
   * The ref that names this version, as the catalog keeps it. `sha256` is the digest of the only file once it is known;
   * null before, and for several files. A source without such a form returns the requested ref.
   */
  pinnedRef(sha256: string | null): string;
  /** Set where the choice of files brought more than the ref says: what, and how to leave it out, for the narration. */
  readonly alsoChosen?: string;
  /** Set where the model was resolved from the store: why no request was sent, for the narration. */
  readonly fromStore?: string;
  /** Set where files of the repo were left out that could not be stored: which and why, for the narration. */
  readonly leftOut?: string;
  /** What else is to be said about its files, for the narration and the plan. */
  readonly remarks?: readonly string[];
}

/** The file of a model that is one file, whatever lies beside it; null for a model of several. */
export function soleFileOf<F extends Pick<SourceFile, 'isBeside'>>(files: readonly F[]): F | null {
  const [first, ...more] = files.filter(({ isBeside }) => isBeside !== true);
  return first !== undefined && more.length === 0 ? first : null;
}

/** Where models of a scheme come from. */
export interface Source<S extends Scheme = Scheme> {
  /**
   * One attempt to find out what the ref stands for; the caller retries.
   * @throws RbeeError with a code of the contract's table
   */
  resolve(ref: RefOf<S>, signal: AbortSignal): Promise<ResolvedModel>;
}

/** The source of each scheme: one that is missing does not compile. */
export type Sources = { readonly [S in Scheme]: Source<S> };

/** The source of a ref. */
export function sourceOf(sources: Sources, { scheme }: ModelRef): Source {
  return sources[scheme];
}

/** The ref of a request, new or retried. @throws RbeeError SOURCE_NOT_ALLOWED where its scheme is switched off */
export function allowedRef(ref: ModelRef, allowed: ReadonlySet<Scheme>): ModelRef {
  if (allowed.has(ref.scheme)) return ref;
  throw new RbeeError('SOURCE_NOT_ALLOWED', `this hive does not download ${ref.scheme}: refs`, {
    hint: `it downloads ${[...allowed].join(', ')}; its operator can allow more with RBEE_HIVE_ALLOWED_SOURCES`,
  });
}
