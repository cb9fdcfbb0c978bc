import { createHash } from 'node:crypto';
import { type Content, digestsOf, type GeneratedFile, madeUpDigests, toContent } from './content.ts';

export type FileSource = Buffer | GeneratedFile;

export interface RepoSpec {
  /** `org/name`, or a name alone, as the oldest models have. */
  readonly id: string;
  /** By path in the repo. */
  readonly files: Readonly<Record<string, FileSource>>;
  /** Branches and tags other than `main`, each with a full commit; all these commits have the same files. */
  readonly revisions?: Readonly<Record<string, string>>;
  readonly gated?: boolean | 'auto' | 'manual';
  readonly private?: boolean;
  /** What became of a request for access to a gated repo, for those whom it is not open to; default none was made. */
  readonly accessRequest?: 'pending' | 'rejected';
  /** Refused to everybody: disabled by the hub, or blocked for legal reasons (451). */
  readonly closed?: 'disabled' | 'legal';
  /** Files of at least this many bytes are LFS files. Default: 10 MiB, and weights (`.gguf`, `.safetensors`, …) of any size. */
  readonly lfsFrom?: number;
  /** Former ids of the repo; requests for them are redirected. */
  readonly renamedFrom?: readonly string[];
  /** What a search says of it. */
  readonly facts?: RepoFacts;
}

/** What the hub counts of a repo, and reads from its files. */
interface RepoFacts {
  readonly downloads?: number;
  readonly likes?: number;
  readonly pipeline_tag?: string;
  readonly gguf?: { readonly total: number; readonly architecture?: string };
  readonly safetensors?: { readonly parameters: Readonly<Record<string, number>>; readonly total: number };
}

export interface RepoFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly gitSha1: string;
  readonly lfs: boolean;
  /** The store's name for the blob, unquoted: sha256 of an LFS file, else the git blob sha1. */
  readonly etag: string;
  /** The strong ETag, quoted, of the server that sends the bytes; of an LFS file it is the CDN's own. */
  readonly finalEtag: string;
}

export interface StoredFile extends RepoFile {
  readonly content: Content;
  /** Path on the CDN. */
  readonly cdnPath: string;
  readonly lastModified: string;
  readonly pointer: { readonly oid: string; readonly size: number };
  /** 64 hex digits that look like a sha256 and are none. */
  readonly xetHash: string;
}

export interface Repo {
  readonly id: string;
  readonly gated: false | 'auto' | 'manual';
  readonly private: boolean;
  readonly accessRequest: 'pending' | 'rejected' | null;
  readonly closed: 'disabled' | 'legal' | null;
  /** Whether its LFS files are Xet's, as their ETags on the CDN show. */
  readonly xet: boolean;
  readonly lfsFrom: number | null;
  readonly facts: RepoFacts;
  /** Branch or tag -> commit. */
  readonly revisions: Map<string, string>;
  /** Commit -> files by path. */
  readonly trees: Map<string, ReadonlyMap<string, StoredFile>>;
}

const defaultLfsFrom = 10 * 1024 * 1024;
const WEIGHTS = /\.(gguf|safetensors|bin|pt|pth|ckpt|onnx|h5|msgpack)$/;

export function createRepo(spec: RepoSpec, xet: boolean): Repo {
  if (!/^(?:[\w.-]+\/)?[\w.-]+$/.test(spec.id)) throw new Error(`not a repo id: ${spec.id}`);
  const repo: Repo = {
    id: spec.id,
    gated: spec.gated === true ? 'manual' : (spec.gated ?? false),
    private: spec.private ?? false,
    accessRequest: spec.accessRequest ?? null,
    closed: spec.closed ?? null,
    xet,
    lfsFrom: spec.lfsFrom ?? null,
    facts: spec.facts ?? {},
    revisions: new Map(),
    trees: new Map(),
  };
  const commit = addCommit(repo, spec.files, 'main');
  const tree = repo.trees.get(commit) ?? new Map();
  for (const [name, named] of Object.entries(spec.revisions ?? {})) {
    if (!/^[0-9a-f]{40}$/.test(named)) throw new Error(`not a full commit: ${named}`);
    repo.revisions.set(name, named);
    repo.trees.set(named, tree);
  }
  return repo;
}

/** Adds a commit with these files to a branch; its id is derived from the files and the parent. */
export function addCommit(repo: Repo, files: Readonly<Record<string, FileSource>>, branch: string): string {
  const stored = Object.entries(files).map(([path, source]) => storeFile(repo, path, source, repo.trees.size));
  const commit = createHash('sha1')
    .update(JSON.stringify([repo.id, repo.trees.size, stored.map((file) => [file.path, file.gitSha1])]))
    .digest('hex');
  repo.trees.set(commit, new Map(stored.map((file) => [file.path, file])));
  repo.revisions.set(branch, commit);
  return commit;
}

/** Other bytes under the same commit and URLs: no hub does this, and a client must survive it. */
export function replaceFile(repo: Repo, path: string, source: FileSource): StoredFile {
  let replaced: StoredFile | null = null;
  for (const [commit, tree] of repo.trees) {
    const old = tree.get(path);
    if (old === undefined) continue;
    replaced ??= { ...storeFile(repo, path, source, 0), cdnPath: old.cdnPath, lastModified: new Date().toUTCString() };
    repo.trees.set(commit, new Map(tree).set(path, replaced));
  }
  if (replaced === null) throw new Error(`${repo.id} has no file ${path}`);
  return replaced;
}

/** The commit that a branch, a tag, `HEAD`, a full commit or the beginning of one stands for. */
export function commitOf(repo: Repo, revision: string): string | null {
  const named = repo.revisions.get(revision === 'HEAD' ? 'main' : revision);
  if (named !== undefined) return named;
  if (!/^[0-9a-f]{7,40}$/.test(revision)) return null;
  return [...repo.trees.keys()].find((commit) => commit.startsWith(revision)) ?? null;
}

function storeFile(repo: Repo, path: string, source: FileSource, serial: number): StoredFile {
  const content = toContent(source);
  const digests = 'hasMadeUpDigests' in source ? madeUpDigests(source) : digestsOf(content);
  const lfs =
    repo.lfsFrom === null ? WEIGHTS.test(path) || content.size >= defaultLfsFrom : content.size >= repo.lfsFrom;
  const pointer = Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${digests.sha256}\nsize ${content.size}\n`,
  );
  const key = createHash('sha256').update([repo.id, path, serial].join('\n')).digest('hex');
  return {
    path,
    size: content.size,
    ...digests,
    lfs,
    etag: lfs ? digests.sha256 : digests.gitSha1,
    finalEtag: `"${lfs ? cdnEtag(digests.sha256, repo.xet) : digests.gitSha1}"`,
    content,
    cdnPath: `/repos/${key.slice(0, 2)}/${key.slice(2, 4)}/${key}`,
    lastModified: new Date(Date.UTC(2025, 0, 1)).toUTCString(),
    pointer: { oid: digestsOf(toContent(pointer)).gitSha1, size: pointer.length },
    xetHash: xetHashOf(digests.sha256),
  };
}

/** Xet's hash, or as object stores name what came in parts: a digest of digests, and the number of parts. */
const cdnEtag = (sha256: string, xet: boolean): string =>
  xet ? xetHashOf(sha256) : `${createHash('md5').update(sha256).digest('hex')}-2`;

const xetHashOf = (sha256: string): string => createHash('sha256').update(`xet\0${sha256}`).digest('hex');
