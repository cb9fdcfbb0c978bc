import { basename, dirname, join, posix } from 'node:path';
import { assertRepoPath, type ModelId, modelIdSchema, RbeeError } from '@rbee/contract';

// The blob's name is the hub's ETag: a sha256, a git sha1, or what a mirror makes of it.
const BLOB_NAME = /^(?!.*\.incomplete$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const COMMIT = /^[0-9a-f]{40}$/;
const SCHEME = /^(?:https?|ollama|file)$/;
/** The name of a place that is no repo of a hub: one part of a path, made by its source. */
const PLACE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$/;
const REPO_FOLDER = /^models--([^/]+?)--([^/]+)$/;

/**
 * The only builder of paths: the layout of the Hugging Face cache, and for files of other sources the same shape in
 * `rbee/<scheme>/<store>/<name>` beside the models folder, where scanners of the cache do not come across it
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). `<store>` is the models folder's own name, so that
 * two stores in one folder do not share what only one hive may write. Every name is checked here again, whoever checked
 * it before.
 */
export interface Layout {
  readonly modelsDir: string;
  /** The folder of one place; a place is written as the source gives it, `hf:org/repo` or `<scheme>:<name>`. */
  placeFolder(place: string): string;
  /** The folder that holds the places of a scheme. */
  schemeFolder(scheme: string): string;
  /** The place that a folder in the scheme's folder is; null where it is none. */
  placeOfFolder(scheme: string, name: string): string | null;
  blobsFolder(place: string): string;
  /** The final place of a blob: whatever has this name is complete, verified and synced. */
  blob(place: string, name: string): string;
  /**
   * Where a blob grows. The name is not the `<etag>.incomplete` of huggingface_hub, which would take our file for one of
   * its own and go on at its end.
   */
  partial(place: string, name: string): string;
  /** Where a blob goes that was found damaged. */
  damaged(place: string, name: string): string;
  snapshotsFolder(place: string): string;
  snapshotFolder(place: string, commit: string): string;
  snapshotFile(place: string, commit: string, path: string): string;
  /** What a snapshot's link holds: the blob, relative to the link. */
  linkTarget(path: string, blobName: string): string;
  refsFolder(place: string): string;
  ref(place: string, revision: string): string;
  /** What is known of each downloaded model. */
  catalogFolder(): string;
  catalogFile(id: ModelId): string;
  lockFile(): string;
  /** A file to try the disk with. It stands where scanners of the cache do not look, and is gone when that is done. */
  trialFile(name: 'data' | 'link'): string;
}

/** The schemes whose places lie beside the models folder. */
export const OWN_SCHEMES = ['https', 'http', 'ollama', 'file'] as const;

export function createLayout(modelsDir: string): Layout {
  const ownDir = join(dirname(modelsDir), 'rbee');
  const schemeFolder = (scheme: string) =>
    scheme === 'hf' ? modelsDir : join(ownDir, assertName(scheme, SCHEME, 'scheme'), basename(modelsDir));
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
    partial: (place, name) => `${blob(place, name)}.rbee.incomplete`,
    damaged: (place, name) => `${blob(place, name)}.damaged.incomplete`,
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
    trialFile: (name) => join(modelsDir, '.locks', `rbee-trial-${name}.incomplete`),
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

/** Whether a name can be a blob's. */
export function isBlobName(name: string): boolean {
  return BLOB_NAME.test(name);
}

/** Whether a folder's name can be a commit's. */
export function isCommit(name: string): boolean {
  return COMMIT.test(name);
}

/** Whether a name says that what is under it is not complete, or is not there to be used. */
export function isUnfinished(name: string): boolean {
  return name.endsWith('.incomplete');
}

/** The scheme and the name that a place is made of. */
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

function assertName(name: string, pattern: RegExp, what: string): string {
  if (!pattern.test(name)) throw unsafe(what);
  return name;
}

function unsafe(what: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `the source gave a ${what} that cannot be stored`, {
    hint: 'the hub, or what stands in for it, answers wrongly',
  });
}
