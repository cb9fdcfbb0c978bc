import { basename, dirname, join, posix } from 'node:path';
import { assertRepoPath, type ModelId, modelIdSchema, RbeeError, SCHEMES } from '@rbee/contract';

/** Of a blob whose name is its digest. */
export const SHA256 = /^[0-9a-f]{64}$/;
// A blob is named by the hub's ETag: a sha256, a git sha1, or whatever a mirror sends.
const BLOB_NAME = /^(?!.*\.(?:incomplete|rbee-[a-z-]+)$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const COMMIT = /^[0-9a-f]{40}$/;
/** The name of a place that is not a repo of the hub: one path segment, chosen by its source. */
const PLACE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$/;
const REPO_FOLDER = /^models--([^/]+?)--([^/]+)$/;

/**
 * The only builder of paths. Hub models use the layout of the Hugging Face cache
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache); other sources use the same structure in
 * `rbee/<scheme>/<store>/<name>` next to the models folder, where cache scanners do not look. `<store>` is the name of
 * the models folder, so that two stores with one parent do not share what only one hive may write. Every name is checked
 * here, even if it was checked before.
 */
export interface Layout {
  readonly modelsDir: string;
  /** The folder of one place, which the source names: `hf:org/repo` or `<scheme>:<name>`. */
  placeFolder(place: string): string;
  /** The folder that holds the places of a scheme. */
  schemeFolder(scheme: string): string;
  /** The place of a folder in the scheme's folder; null if it is not the folder of a place. */
  placeOfFolder(scheme: string, name: string): string | null;
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
  /** One file for each downloaded model. */
  catalogFolder(): string;
  catalogFile(id: ModelId): string;
  lockFile(): string;
  /** A temporary file for testing the disk, where cache scanners do not look. */
  trialFile(name: 'data' | 'link'): string;
}

/** The schemes whose places are next to the models folder. */
export const OWN_SCHEMES: readonly string[] = SCHEMES.filter((scheme) => scheme !== 'hf');

export function createLayout(modelsDir: string): Layout {
  const ownDir = join(dirname(modelsDir), 'rbee');
  const schemeFolder = (scheme: string) =>
    scheme === 'hf' ? modelsDir : join(ownDir, assertOwnScheme(scheme), basename(modelsDir));
  const placeFolder = (place: string) => {
    const [scheme, name] = splitPlace(place);
    const folder = scheme === 'hf' ? `models--${assertRepo(name).replace('/', '--')}` : name;
    return join(schemeFolder(scheme), scheme === 'hf' ? folder : assertName(folder, PLACE_NAME, 'place'));
  };
  const blobsFolder = (place: string) => join(placeFolder(place), 'blobs');
  const blob = (place: string, name: string) => join(blobsFolder(place), assertName(name, BLOB_NAME, 'blob name'));
  const snapshotsFolder = (place: string) => join(placeFolder(place), 'snapshots');
  const snapshotFolder = (place: string, commit: string) =>
    join(snapshotsFolder(place), assertName(commit, COMMIT, 'commit'));
  const refsFolder = (place: string) => join(placeFolder(place), 'refs');
  const catalogFolder = () => join(ownDir, 'catalog', basename(modelsDir));
  return {
    modelsDir,
    placeFolder,
    schemeFolder,
    placeOfFolder(scheme, name) {
      const [, org, repo] = REPO_FOLDER.exec(name) ?? [];
      const place = `${scheme}:${scheme === 'hf' ? `${org}/${repo}` : name}`;
      return isPlaceFolder(place, name) ? place : null;
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
    catalogFile: (id) => join(catalogFolder(), `${modelIdSchema.parse(id)}.json`),
    lockFile: () => join(modelsDir, '.locks', 'rbee-hive.lock'),
    trialFile: (name) => join(modelsDir, '.locks', `rbee-trial-${name}.rbee-new`),
  };

  function isPlaceFolder(place: string, name: string): boolean {
    try {
      return basename(placeFolder(place)) === name;
    } catch (error) {
      if (error instanceof RbeeError) return false;
      throw error;
    }
  }
}

/** Whether a name is valid for a blob. */
export function isBlobName(name: string): boolean {
  return BLOB_NAME.test(name);
}

/** Whether the name of a folder is a commit. */
export function isCommit(name: string): boolean {
  return COMMIT.test(name);
}

/** What the names of our unfinished files end with, those of older versions included. */
export const UNFINISHED_NAMES = {
  partial: /\.rbee(?:-partial|\.incomplete)$/,
  journal: /\.rbee(?:-journal[a-z-]*|\.journal[a-z-]*\.incomplete)$/,
  damaged: /\.(?:rbee-damaged|damaged\.incomplete)$/,
} as const;

/** Whether the file under a name is incomplete or not to be used, ours or that of another tool. */
export function isUnfinished(name: string): boolean {
  return /\.(?:incomplete|rbee-[a-z-]+)$/.test(name);
}

/** The scheme and the name of a place. */
export function splitPlace(place: string): [scheme: string, name: string] {
  const colon = place.indexOf(':');
  return [place.slice(0, Math.max(0, colon)), place.slice(colon + 1)];
}

function assertRepo(repo: string): string {
  const parts = repo.split('/');
  assertRepoPath(repo, 'DOWNLOAD_FAILED');
  if (parts.length !== 2 || repo.includes('--')) throw unsafe('repo');
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
