import { type HfRef, printModelRef, RbeeError } from '@rbee/contract';
import type { Location } from '@rbee/transfer';
import { assertBlobName } from '../names.ts';
import { shortened } from '../selection/listed.ts';
import { selectFiles } from '../selection/select-files.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { askApi, askForFile, type FileAnswer, type HubAccess, locationOf } from './hub-file.ts';
import { type HubTreeEntry, readCommit, readTree } from './hub-tree.ts';
import { type StoredHubFile, type StoredPaths, storedModel } from './offline-model.ts';
import { createTreeCache, type TreeCache } from './tree-cache.ts';

const SHA256 = /^[0-9a-f]{64}$/;
const GIT_SHA1 = /^[0-9a-f]{40}$/;

export interface HuggingFaceDeps extends HubAccess {
  /** Never ask the hub: what the store has is all there is. */
  readonly isOffline: boolean;
  /** Where models may be that need no hub. */
  readonly stored: StoredPaths;
}

type Deps = HuggingFaceDeps & { readonly trees: TreeCache };

/**
 * A Hugging Face hub, or a mirror that speaks as it does. The token goes to the hub's own origin only. A model that is in
 * the store in full is answered from there where the hub cannot be reached, or need not be: its commit is named.
 */
export function createHuggingFace(options: HuggingFaceDeps): Source<HfRef> {
  const deps: Deps = { ...options, trees: createTreeCache() };
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      if (deps.isOffline)
        return (await fromStore(deps, ref, 'the hub was not asked: HF_HUB_OFFLINE is set')) ?? notStored(ref);
      if (GIT_SHA1.test(ref.revision) && ref.files.length > 0) {
        const stored = await fromStore(deps, ref, 'the hub was not asked: what a commit holds never changes');
        if (stored !== null) return stored;
      }
      try {
        return await (ref.files.length > 0 ? byName(deps, ref, signal) : byTree(deps, ref, signal));
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        const stored = await fromStore(deps, ref, `the hub was not asked: ${error.message}`);
        if (stored === null) throw error;
        return stored;
      }
    },
  };
}

/** Named files: one HEAD each says all there is to know, and pins the commit for the next. */
async function byName(deps: Deps, ref: HfRef, signal: AbortSignal): Promise<ResolvedModel> {
  let commit: string | null = null;
  const files: SourceFile[] = [];
  for (const path of ref.files) {
    const answer: FileAnswer = await askForFile(deps, ref.repo, commit ?? ref.revision, path, signal);
    commit ??= answer.commit;
    files.push(toSourceFile(deps, ref.repo, commit, path, answer));
  }
  if (commit === null) throw new Error('a ref that names no files');
  return toModel(ref, commit, files);
}

/** Files chosen from what the repo has: the tree names sizes and digests, so no file is asked for by itself. */
async function byTree(deps: Deps, ref: HfRef, signal: AbortSignal): Promise<ResolvedModel> {
  const { repo, revision } = ref;
  const ask = (url: URL) => askApi(deps, repo, url, signal);
  const isCommit = GIT_SHA1.test(revision);
  const commit = isCommit ? revision : await readCommit(ask, deps.endpoint, repo, revision);
  let tree = deps.trees.get(repo, commit);
  if (tree === null) {
    tree = await readTree(ask, deps.endpoint, repo, commit);
    deps.trees.put(repo, commit, tree);
  }
  const chosen = new Set(selectFiles(tree, ref));
  const files = tree.filter((entry) => chosen.has(entry.path)).map((entry) => fromTree(deps, repo, commit, entry));
  return toModel(ref, commit, files);
}

async function fromStore(deps: Deps, ref: HfRef, why: string): Promise<ResolvedModel | null> {
  const stored = await storedModel(deps.stored, ref, (commit) => deps.trees.get(ref.repo, commit));
  if (stored === null) return null;
  const model = toModel(ref, stored.commit, stored.files.map(fromDisk));
  return { ...model, fromStore: why };
}

function toModel(ref: HfRef, commit: string, files: readonly SourceFile[]): ResolvedModel {
  const [first, ...rest] = files;
  if (!first) throw new Error('a selection without files');
  assertDistinct(files);
  return {
    place: `hf:${ref.repo}`,
    title: ref.repo,
    revision: ref.revision,
    commit,
    files: [first, ...rest],
    pinnedRef() {
      const pinned = { ...ref, revision: commit };
      if (rest.length > 0) return printModelRef(pinned);
      return printModelRef({ ...pinned, files: [first.path], include: [], exclude: [], quant: null });
    },
  };
}

/** On a file system that folds names two of them would be one file, and a file cannot be the folder of another. */
function assertDistinct(files: readonly SourceFile[]): void {
  const folded = new Map(files.map(({ path }) => [path.normalize('NFKC').toLowerCase(), path]));
  const folders = new Set([...folded.keys()].flatMap(foldersOf));
  const clash = files.find(({ path }, index) => {
    const key = path.normalize('NFKC').toLowerCase();
    return folders.has(key) || folded.get(key) !== files[index]?.path;
  });
  if (clash === undefined) return;
  throw new RbeeError('MODEL_NOT_FOUND', `another file of the repo has the name of ${shortened(clash.path)}`, {
    hint: 'two names that differ in case alone, or a file and a folder of one name, cannot be stored side by side: name files with ::file=',
  });
}

function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function toSourceFile(deps: Deps, repo: string, commit: string, path: string, answer: FileAnswer): SourceFile {
  return {
    path,
    ...namedBy(assertBlobName(answer.etag)),
    size: answer.size,
    locate: locating(deps, repo, commit, path, answer.location),
  };
}

function fromTree(deps: Deps, repo: string, commit: string, { path, size, sha256, gitSha1 }: HubTreeEntry): SourceFile {
  // A plain file comes from the hub itself, at once: to ask where it is would be two round trips more. The address of another is
  // signed, and asked for once for all its parts.
  const first = sha256 === null ? locationOf(deps, repo, commit, path) : null;
  return { path, ...namedBy(sha256 ?? gitSha1), size, locate: locating(deps, repo, commit, path, first) };
}

/** The first address is as good as new; only when it was refused is the hub asked for another, or for what is wrong. */
function locating(deps: Deps, repo: string, commit: string, path: string, first: Location | null) {
  let fresh = first;
  return async (signal: AbortSignal): Promise<Location> => {
    const location = fresh ?? (await askForFile(deps, repo, commit, path, signal)).location;
    fresh = null;
    return location;
  };
}

function fromDisk({ path, blobName, size }: StoredHubFile): SourceFile {
  return {
    path,
    ...namedBy(blobName),
    size,
    async locate() {
      throw new RbeeError('SOURCE_UNAVAILABLE', `${path} was in the store and is there no more`, {
        hint: 'download it again when the hub can be reached',
      });
    },
  };
}

/** The hub names a blob by its sha256 or its git object id; a mirror may have names of its own. */
function namedBy(blobName: string): Pick<SourceFile, 'blobName' | 'sha256' | 'gitSha1'> {
  return {
    blobName,
    sha256: SHA256.test(blobName) ? blobName : null,
    gitSha1: GIT_SHA1.test(blobName) ? blobName : null,
  };
}

/** No connection came about, or nobody answered on it; a hub that answers with an error is asked again instead. */
function isUnreachable(error: unknown): error is RbeeError {
  if (!(error instanceof RbeeError) || typeof error.details?.['code'] !== 'string') return false;
  return error.code === 'SOURCE_UNAVAILABLE' || error.code === 'DOWNLOAD_TIMEOUT';
}

function notStored(ref: HfRef): never {
  throw new RbeeError('MODEL_NOT_FOUND', `the store does not have all of ${printModelRef(ref)}`, {
    hint: 'HF_HUB_OFFLINE keeps the hive from asking the hub: unset it, or name the files that are there with ::file=',
  });
}
