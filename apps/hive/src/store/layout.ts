import { dirname, join, posix } from 'node:path';
import { assertRepoPath, RbeeError } from '@rbee/contract';

// The blob's name is the hub's ETag: a sha256, a git sha1, or what a mirror makes of it.
const BLOB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const COMMIT = /^[0-9a-f]{40}$/;
const SCHEME = /^(?:https?|ollama|file)$/;
/** The name of a place that is no repo of a hub: one part of a path, made by its source. */
const PLACE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$/;
const REPO_FOLDER = /^models--([^/]+?)--([^/]+)$/;

/**
 * The only builder of paths: the layout of the Hugging Face cache, and for files of other sources the same shape in
 * `rbee/<scheme>/<name>` beside the models folder, where scanners of the cache do not come across it
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). Every name is checked here again, whoever checked
 * it before.
 */
export interface Layout {
  readonly modelsDir: string;
  /** The folder of one place; a place is written as the source gives it, `hf:org/repo` or `<scheme>:<name>`. */
  placeFolder(place: string): string;
  /** The final place of a blob: whatever has this name is complete, verified and synced. */
  blob(place: string, name: string): string;
  /**
   * Where a blob grows. The name is not the `<etag>.incomplete` of huggingface_hub, which would take our file for one of
   * its own and go on at its end.
   */
  partial(place: string, name: string): string;
  snapshotFolder(place: string, commit: string): string;
  snapshotFile(place: string, commit: string, path: string): string;
  /** What a snapshot's link holds: the blob, relative to the link. */
  linkTarget(path: string, blobName: string): string;
  ref(place: string, revision: string): string;
  lockFile(): string;
}

export function createLayout(modelsDir: string): Layout {
  const ownDir = join(dirname(modelsDir), 'rbee');
  const placeFolder = (place: string) => {
    const [scheme, name] = splitPlace(place);
    if (scheme === 'hf') return join(modelsDir, `models--${assertRepo(name).replace('/', '--')}`);
    return join(ownDir, assertName(scheme, SCHEME, 'scheme'), assertName(name, PLACE_NAME, 'place'));
  };
  const snapshotFolder = (place: string, commit: string) =>
    join(placeFolder(place), 'snapshots', assertName(commit, COMMIT, 'commit'));
  const blob = (place: string, name: string) =>
    join(placeFolder(place), 'blobs', assertName(name, BLOB_NAME, 'blob name'));
  return {
    modelsDir,
    placeFolder,
    blob,
    partial: (place, name) => `${blob(place, name)}.rbee.incomplete`,
    snapshotFolder,
    snapshotFile: (place, commit, path) => join(snapshotFolder(place, commit), assertRepoPath(path, 'DOWNLOAD_FAILED')),
    linkTarget(path, blobName) {
      const up = '../'.repeat(assertRepoPath(path, 'DOWNLOAD_FAILED').split('/').length + 1);
      return posix.join(up, 'blobs', assertName(blobName, BLOB_NAME, 'blob name'));
    },
    ref: (place, revision) => join(placeFolder(place), 'refs', assertRepoPath(revision, 'DOWNLOAD_FAILED')),
    lockFile: () => join(modelsDir, '.locks', 'rbee-hive.lock'),
  };
}

/** The repo that a folder of the store belongs to; null for any other folder. */
export function repoOfFolder(name: string): string | null {
  const match = REPO_FOLDER.exec(name);
  return match ? `${match[1]}/${match[2]}` : null;
}

function splitPlace(place: string): [string, string] {
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
