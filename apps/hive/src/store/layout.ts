import { basename, join, posix } from 'node:path';
import { assertRepoPath, type ModelId, modelIdSchema, RbeeError, SCHEMES } from '@rbee/contract';

/** Of a blob whose name is its digest. */
export const SHA256 = /^[0-9a-f]{64}$/;
// A blob is named by the hub's ETag: a sha256, a git sha1, or whatever a mirror sends.
const BLOB_NAME = /^(?!.*\.(?:incomplete|downloadInProgress|rbee-[a-z-]+)$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const COMMIT = /^[0-9a-f]{40}$/;
/** The name of a place that is not a repo of the hub: one path segment, chosen by its source. */
const PLACE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$/;
/** The oldest repos have no organisation: `models--gpt2`. */
const REPO_FOLDER = /^models--(?:([^/]+?)--)?([^/]+)$/;
/** What the folders of other sources have in place of an organisation. */
const OWN_PREFIX = 'rbee.';

/**
 * The only builder of paths. Hub models use the layout of the Hugging Face cache
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache); other sources use the same structure, in folders that
 * are valid repos of the cache too: `models--rbee.<scheme>--<name>`. So one writable folder is enough, and cache scanners
 * have nothing to complain about. What is ours alone is in `.rbee` in the folder of its repo, and in `.locks`, where they
 * do not look. Every name is checked here, even if it was checked before.
 */
export interface Layout {
  readonly modelsDir: string;
  /** The folder of one place, which the source names: `hf:org/repo`, `hf:repo` or `<scheme>:<name>`. */
  placeFolder(place: string): string;
  /** The place of a folder in the models folder; null if it is not the folder of a place. */
  placeOfFolder(name: string): string | null;
  blobsFolder(place: string): string;
  /** The final path of a blob: a file of this name is complete, verified and synced. */
  blob(place: string, name: string): string;
  /**
   * The path of a blob while it is fetched. It does not end in `.incomplete`: huggingface_hub would append to such a file
   * as if it were its own, and its prune deletes it, even while it is written.
   */
  partial(place: string, name: string): string;
  /** Where a damaged blob is moved. */
  damaged(place: string, name: string): string;
  snapshotsFolder(place: string): string;
  snapshotFolder(place: string, commit: string): string;
  snapshotFile(place: string, commit: string, path: string): string;
  /** The target of a snapshot's link: the blob, relative to the link. */
  linkTarget(path: string, blobName: string): string;
  refsFolder(place: string): string;
  ref(place: string, revision: string): string;
  /** The records of a place: one file for each downloaded model, and files that are being written. */
  catalogFolder(place: string): string;
  catalogFile(place: string, id: ModelId): string;
  /** The folder of the lock. Cache scanners do not look there, and huggingface_hub has its locks there too. */
  locksFolder(): string;
  /** Who owns the store, for people. */
  lockFile(): string;
  /** The database whose lock is the lock of the store where the system has no `flock`. */
  lockDatabase(): string;
  /** The folder of huggingface_hub's own locks for a place. */
  hubLocksFolder(place: string): string;
  /** A temporary file for testing the disk, where cache scanners do not look. */
  trialFile(name: 'data' | 'link'): string;
}

/** The schemes whose places are not repos of a hub. */
export const OWN_SCHEMES: readonly string[] = SCHEMES.filter((scheme) => scheme !== 'hf');

/** The folders of a place that only hives write to. */
export const RECORDS_FOLDER = '.rbee';

export function createLayout(modelsDir: string): Layout {
  const placeFolder = (place: string) => join(modelsDir, folderOf(place));
  const blobsFolder = (place: string) => join(placeFolder(place), 'blobs');
  const blob = (place: string, name: string) => join(blobsFolder(place), assertName(name, BLOB_NAME, 'blob name'));
  const snapshotsFolder = (place: string) => join(placeFolder(place), 'snapshots');
  const snapshotFolder = (place: string, commit: string) =>
    join(snapshotsFolder(place), assertName(commit, COMMIT, 'commit'));
  const refsFolder = (place: string) => join(placeFolder(place), 'refs');
  const catalogFolder = (place: string) => join(placeFolder(place), RECORDS_FOLDER);
  const locksFolder = () => join(modelsDir, '.locks');
  return {
    modelsDir,
    placeFolder,
    placeOfFolder(name) {
      const [, org, rest = ''] = REPO_FOLDER.exec(name) ?? [];
      const own = org?.startsWith(OWN_PREFIX) ? `${org.slice(OWN_PREFIX.length)}:${rest}` : null;
      const repo = org === undefined ? rest : `${org}/${rest}`;
      return [own, `hf:${repo}`].find((place) => place !== null && isPlaceFolder(place, name)) ?? null;
    },
    blobsFolder,
    blob,
    partial: (place, name) => `${blob(place, name)}.rbee-partial`,
    damaged: (place, name) => `${blob(place, name)}.rbee-damaged`,
    snapshotsFolder,
    snapshotFolder,
    snapshotFile: (place, commit, path) => join(snapshotFolder(place, commit), assertRepoPath(path, 'DOWNLOAD_FAILED')),
    linkTarget(path, blobName) {
      const up = '../'.repeat(assertRepoPath(path, 'DOWNLOAD_FAILED').split('/').length + 1);
      return posix.join(up, 'blobs', assertName(blobName, BLOB_NAME, 'blob name'));
    },
    refsFolder,
    ref: (place, revision) => join(refsFolder(place), assertRepoPath(revision, 'DOWNLOAD_FAILED')),
    catalogFolder,
    catalogFile: (place, id) => join(catalogFolder(place), `${modelIdSchema.parse(id)}.json`),
    locksFolder,
    lockFile: () => join(locksFolder(), 'rbee-hive.lock'),
    lockDatabase: () => join(locksFolder(), 'rbee-hive.lock.sqlite'),
    hubLocksFolder: (place) => join(locksFolder(), basename(placeFolder(place))),
    trialFile: (name) => join(locksFolder(), `rbee-trial-${name}.rbee-new`),
  };

  function isPlaceFolder(place: string, name: string): boolean {
    try {
      return folderOf(place) === name;
    } catch (error) {
      if (error instanceof RbeeError) return false;
      throw error;
    }
  }
}

function folderOf(place: string): string {
  const [scheme, name] = splitPlace(place);
  if (scheme === 'hf') return `models--${assertRepo(name).replace('/', '--')}`;
  return `models--${OWN_PREFIX}${assertOwnScheme(scheme)}--${assertName(name, PLACE_NAME, 'place')}`;
}

/** Whether a name is valid for a blob. */
export function isBlobName(name: string): boolean {
  return BLOB_NAME.test(name);
}

/** Whether the name of a folder is a commit. */
export function isCommit(name: string): boolean {
  return COMMIT.test(name);
}

/** What the names of our unfinished files end with, names of older versions included. */
export const UNFINISHED_NAMES = {
  partial: /\.rbee(?:-partial|\.incomplete)$/,
  journal: /\.rbee(?:-journal[a-z-]*|\.journal[a-z-]*\.incomplete)$/,
  damaged: /\.(?:rbee-damaged|damaged\.incomplete)$/,
} as const;

/** Whether the file under a name is incomplete or not to be used, ours or that of another tool. */
export function isUnfinished(name: string): boolean {
  return /\.(?:incomplete|downloadInProgress|rbee-[a-z-]+)$/.test(name);
}

/** The scheme and the name of a place. */
export function splitPlace(place: string): [scheme: string, name: string] {
  const colon = place.indexOf(':');
  return [place.slice(0, Math.max(0, colon)), place.slice(colon + 1)];
}

function assertRepo(repo: string): string {
  const parts = repo.split('/');
  assertRepoPath(repo, 'DOWNLOAD_FAILED');
  if (parts.length > 2 || repo.includes('--')) throw unsafe('repo');
  // That would be the folder of another source.
  if (parts.length === 2 && OWN_SCHEMES.some((scheme) => parts[0] === `${OWN_PREFIX}${scheme}`)) throw unsafe('repo');
  return repo;
}

function assertOwnScheme(scheme: string): string {
  if (!OWN_SCHEMES.includes(scheme)) throw unsafe('scheme');
  return scheme;
}

function assertName(name: string, pattern: RegExp, what: string): string {
  if (!pattern.test(name)) throw unsafe(what);
  return name;
}

function unsafe(what: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `the source sent a ${what} that cannot be stored`, {
    hint: 'the hub or its mirror sends invalid responses',
  });
}
