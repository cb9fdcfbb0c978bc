import { type HfRef, isProjector, parseModelRef, printModelRef, RbeeError } from '@rbee/contract';
import type { Location } from '@rbee/transfer';
import { shortened } from '../../selection/listed.ts';
import { isChosenByRule, type TreeFile } from '../../selection/select-files.ts';
import { assertBlobName } from '../names.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { chooseFiles } from './choose-files.ts';
import { createHubApi, type HubApi } from './hub-api.ts';
import { type HubAccess, type HubFile, locationOf, requestFile } from './hub-file.ts';
import { type HubSearchRow, searchHub } from './hub-search.ts';
import { type HubTreeEntry, type HubVersion, readTree, readVersion } from './hub-tree.ts';
import { createTreeCache, type TreeCache } from './tree-cache.ts';

const SHA256 = /^[0-9a-f]{64}$/;
const GIT_SHA1 = /^[0-9a-f]{40}$/;

export interface HuggingFaceDeps extends HubAccess {
  /** Send no request to the hub: only what the store has can be resolved. */
  readonly isOffline: boolean;
  /**
   * Looks in the store for all files of a ref; null where one is missing. `treeOf` returns the file list of a commit
   * where it is known.
   */
  readonly findOffline: (
    ref: HfRef,
    treeOf: (commit: string) => readonly TreeFile[] | null,
  ) => Promise<OfflineModel | null>;
}

/** A model that the store has in full. */
interface OfflineModel {
  readonly commit: string;
  readonly files: readonly OfflineFile[];
}

interface OfflineFile {
  readonly path: string;
  readonly blobName: string;
  readonly size: number;
}

/** A repo at one commit, as its hub lists it. */
export interface HubRepo {
  readonly commit: string;
  /** Null where the hub does not say. */
  readonly isGated: boolean | null;
  readonly isPrivate: boolean | null;
  readonly entries: readonly HubTreeEntry[];
  /** The pinned ref of the model that these files of the ref make. */
  pinnedRef(ref: HfRef, paths: readonly string[]): string;
}

export interface HuggingFace extends Source<'hf'> {
  /** One attempt to list the repo of a ref; the caller retries. @throws RbeeError as `resolve` */
  list(ref: HfRef, signal: AbortSignal): Promise<HubRepo>;
  /** One attempt to search the hub. @throws RbeeError as `resolve` */
  search(words: string, limit: number, signal: AbortSignal): Promise<readonly HubSearchRow[]>;
}

type Deps = HuggingFaceDeps & { readonly trees: TreeCache };

/**
 * A Hugging Face hub, or a mirror with the same API. The token goes to the hub's own origin only. A model that the store
 * has in full is resolved from there if the hub cannot be reached, or if the ref names files of a commit.
 */
export function createHuggingFace(options: HuggingFaceDeps): HuggingFace {
  const deps: Deps = { ...options, trees: createTreeCache() };
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      if (deps.isOffline)
        return (await fromStore(deps, ref, 'no request was sent to the hub: HF_HUB_OFFLINE is set')) ?? notStored(ref);
      if (GIT_SHA1.test(ref.revision) && ref.files.length > 0) {
        const stored = await fromStore(deps, ref, 'no request was sent to the hub: the files of a commit never change');
        if (stored !== null) return stored;
      }
      try {
        return await (ref.files.length > 0 ? byName(deps, ref, signal) : byTree(deps, ref, signal));
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        const stored = await fromStore(deps, ref, `the hub cannot be reached: ${error.message}`);
        if (stored === null) throw error;
        return stored;
      }
    },
    async list(ref, signal) {
      if (deps.isOffline) throw offline();
      const { repo, revision } = ref;
      const api = createHubApi(deps, { repo, revision }, signal);
      const version = await readVersion(api, deps.endpoint, repo, revision);
      const { commit, isGated, isPrivate } = version;
      const entries = await treeOf(deps, api, repo, commit, version);
      return { commit, isGated, isPrivate, entries, pinnedRef: (of, paths) => pinnedRefOf(of, commit, paths) };
    },
    async search(words, limit, signal) {
      if (deps.isOffline) throw offline();
      return searchHub(deps, words, limit, signal);
    },
  };
}

function offline(): RbeeError {
  return new RbeeError('SOURCE_UNAVAILABLE', 'no request is sent to the hub: HF_HUB_OFFLINE is set', {
    hint: 'unset HF_HUB_OFFLINE on the hive',
    details: { code: 'OFFLINE' },
  });
}

/** Named files: one HEAD each. The first pins the commit for the others. */
async function byName(deps: Deps, ref: HfRef, signal: AbortSignal): Promise<ResolvedModel> {
  let commit: string | null = null;
  const files: SourceFile[] = [];
  for (const path of ref.files) {
    const file: HubFile = await requestFile(deps, ref.repo, commit ?? ref.revision, path, signal);
    commit ??= file.commit;
    files.push(toSourceFile(deps, ref.repo, commit, path, file));
  }
  if (commit === null) throw new Error('a ref that names no files');
  return toModel(ref, commit, files);
}

/** Files chosen from the tree, which has their sizes and digests: no request per file is needed. */
async function byTree(deps: Deps, ref: HfRef, signal: AbortSignal): Promise<ResolvedModel> {
  const { repo, revision } = ref;
  const api = createHubApi(deps, { repo, revision }, signal);
  const version = GIT_SHA1.test(revision) ? null : await readVersion(api, deps.endpoint, repo, revision);
  const commit = version?.commit ?? revision;
  const tree = await treeOf(deps, api, repo, commit, version);
  const inspect = (path: string) => requestFile(deps, repo, commit, path, signal);
  const { entries, inspected, leftOut } = await chooseFiles(tree, ref, inspect);
  const files = entries.map((entry) => {
    const file = inspected.get(entry.path);
    return file ? toSourceFile(deps, repo, commit, entry.path, file) : fromTree(deps, repo, commit, entry);
  });
  return { ...toModel(ref, commit, files), ...(leftOut === null ? {} : { leftOut }) };
}

/** The files of a commit. */
async function treeOf(
  deps: Deps,
  api: HubApi,
  repo: string,
  commit: string,
  version: HubVersion | null,
): Promise<readonly HubTreeEntry[]> {
  const known = deps.trees.get(repo, commit);
  if (known !== null) return known;
  const tree = await readTree(api, deps.endpoint, repo, commit, version);
  deps.trees.set(repo, commit, tree);
  return tree;
}

async function fromStore(deps: Deps, ref: HfRef, why: string): Promise<ResolvedModel | null> {
  const treeOf = (commit: string) =>
    deps.trees
      .get(ref.repo, commit)
      ?.filter(({ problem }) => problem === null)
      .map(({ path, size }) => ({ path, size: size ?? 0 })) ?? null;
  const stored = await deps.findOffline(ref, treeOf);
  if (stored === null) return null;
  const model = toModel(ref, stored.commit, stored.files.map(fromDisk));
  return { ...model, fromStore: why };
}

function toModel(ref: HfRef, commit: string, files: readonly SourceFile[]): ResolvedModel {
  const [first, ...rest] = files;
  if (!first) throw new Error('a selection without files');
  assertDistinct(files);
  const projector = isChosenByRule(ref) ? rest.find(({ path }) => isProjector(path)) : undefined;
  return {
    place: `hf:${ref.repo}`,
    title: ref.repo,
    revision: ref.revision,
    commit,
    files: [first, ...rest],
    ...(projector === undefined
      ? {}
      : {
          alsoChosen: `${projector.path} of ${ref.repo} comes along: the model sees or hears with it; --no-mmproj leaves it out`,
        }),
    pinnedRef: () =>
      pinnedRefOf(
        ref,
        commit,
        files.map(({ path }) => path),
      ),
  };
}

function pinnedRefOf(ref: HfRef, commit: string, paths: readonly string[]): string {
  const pinned = { ...ref, revision: commit };
  const hasProjector = isChosenByRule(ref) && paths.slice(1).some(isProjector);
  // A model of one file is named by it, and by its projector: a rule that chooses another one changes no model.
  if (paths.length > (hasProjector ? 2 : 1)) return printModelRef(pinned);
  return canonical({ ...pinned, files: paths, include: [], exclude: [], quant: null }) ?? printModelRef(pinned);
}

/** The text of a ref; null where it is too long for one. */
function canonical(ref: HfRef): string | null {
  const text = printModelRef(ref);
  try {
    return printModelRef(parseModelRef(text));
  } catch (error) {
    if (error instanceof RbeeError) return null;
    throw error;
  }
}

/** A file system that folds case would make one file of two names, and a path cannot be both a file and a folder. */
function assertDistinct(files: readonly SourceFile[]): void {
  const folded = new Map(files.map(({ path }) => [path.normalize('NFKC').toLowerCase(), path]));
  const folders = new Set([...folded.keys()].flatMap(foldersOf));
  const clash = files.find(({ path }, index) => {
    const key = path.normalize('NFKC').toLowerCase();
    return folders.has(key) || folded.get(key) !== files[index]?.path;
  });
  if (clash === undefined) return;
  throw new RbeeError('MODEL_NOT_FOUND', `the name of ${shortened(clash.path)} clashes with another file of the repo`, {
    hint: 'names that differ only in case, or a file and a folder of the same name, cannot be stored together: name files with ::file=',
  });
}

function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function toSourceFile(deps: Deps, repo: string, commit: string, path: string, file: HubFile): SourceFile {
  return {
    path,
    ...namedBy(assertBlobName(file.etag)),
    size: file.size,
    locate: locator(deps, repo, commit, path, file.location),
  };
}

function fromTree(deps: Deps, repo: string, commit: string, { path, size, sha256, gitSha1 }: HubTreeEntry): SourceFile {
  // The hub serves a plain file itself: requesting its address would cost two more round trips. An LFS file has a signed
  // address, requested once for all its parts.
  const first = sha256 === null ? locationOf(deps, repo, commit, path) : null;
  const name = sha256 ?? gitSha1;
  if (name === null) throw new Error('a file that the hub was not asked about');
  return { path, ...namedBy(name), size, locate: locator(deps, repo, commit, path, first) };
}

/** Returns the first address once; after that the hub is asked for a new one, or says what is wrong. */
function locator(deps: Deps, repo: string, commit: string, path: string, first: Location | null) {
  let fresh = first;
  return async (signal: AbortSignal): Promise<Location> => {
    const location = fresh ?? (await requestFile(deps, repo, commit, path, signal)).location;
    fresh = null;
    return location;
  };
}

function fromDisk({ path, blobName, size }: OfflineFile): SourceFile {
  return {
    path,
    ...namedBy(blobName),
    size,
    async locate() {
      throw new RbeeError('SOURCE_UNAVAILABLE', `${path} is no longer in the store`, {
        hint: 'download it again when the hub can be reached',
      });
    },
  };
}

/** The hub names a blob by its sha256 or its git object id; a mirror may use other names. */
function namedBy(blobName: string): Pick<SourceFile, 'blobName' | 'sha256' | 'gitSha1'> {
  return {
    blobName,
    sha256: SHA256.test(blobName) ? blobName : null,
    gitSha1: GIT_SHA1.test(blobName) ? blobName : null,
  };
}

/** No connection, or no response on it. A hub that responds with an error is reachable: the caller retries. */
export function isUnreachable(error: unknown): error is RbeeError {
  if (!(error instanceof RbeeError) || typeof error.details?.['code'] !== 'string') return false;
  return error.code === 'SOURCE_UNAVAILABLE' || error.code === 'DOWNLOAD_TIMEOUT';
}

function notStored(ref: HfRef): never {
  throw new RbeeError('MODEL_NOT_FOUND', `the store does not have all of ${printModelRef(ref)}`, {
    hint: 'HF_HUB_OFFLINE is set: unset it to use the hub, or name files that are in the store with ::file=',
  });
}
