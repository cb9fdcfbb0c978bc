import { join, posix } from 'node:path';
import { assertRepoPath, RbeeError } from '@rbee/contract';

// The blob's name is the hub's ETag: a sha256, a git sha1, or what a mirror makes of it.
const BLOB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const COMMIT = /^[0-9a-f]{40}$/;
const REPO_FOLDER = /^models--([^/]+?)--([^/]+)$/;

/**
 * The only builder of paths: the layout of the Hugging Face cache
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). Every name is checked here again, whoever checked
 * it before.
 */
export interface Layout {
  readonly modelsDir: string;
  repoFolder(repo: string): string;
  /** The final place of a blob: whatever has this name is complete, verified and synced. */
  blob(repo: string, name: string): string;
  /**
   * Where a blob grows. The name is not the `<etag>.incomplete` of huggingface_hub, which would take our file for one of
   * its own and go on at its end.
   */
  partial(repo: string, name: string): string;
  snapshotFolder(repo: string, commit: string): string;
  snapshotFile(repo: string, commit: string, path: string): string;
  /** What a snapshot's link holds: the blob, relative to the link. */
  linkTarget(path: string, blobName: string): string;
  ref(repo: string, revision: string): string;
  lockFile(): string;
}

export function createLayout(modelsDir: string): Layout {
  const repoFolder = (repo: string) => join(modelsDir, `models--${assertRepo(repo).replace('/', '--')}`);
  const snapshotFolder = (repo: string, commit: string) =>
    join(repoFolder(repo), 'snapshots', assertName(commit, COMMIT, 'commit'));
  const blob = (repo: string, name: string) =>
    join(repoFolder(repo), 'blobs', assertName(name, BLOB_NAME, 'blob name'));
  return {
    modelsDir,
    repoFolder,
    blob,
    partial: (repo, name) => `${blob(repo, name)}.rbee.incomplete`,
    snapshotFolder,
    snapshotFile: (repo, commit, path) => join(snapshotFolder(repo, commit), assertRepoPath(path, 'DOWNLOAD_FAILED')),
    linkTarget(path, blobName) {
      const up = '../'.repeat(assertRepoPath(path, 'DOWNLOAD_FAILED').split('/').length + 1);
      return posix.join(up, 'blobs', assertName(blobName, BLOB_NAME, 'blob name'));
    },
    ref: (repo, revision) => join(repoFolder(repo), 'refs', assertRepoPath(revision, 'DOWNLOAD_FAILED')),
    lockFile: () => join(modelsDir, '.locks', 'rbee-hive.lock'),
  };
}

/** The repo that a folder of the store belongs to; null for any other folder. */
export function repoOfFolder(name: string): string | null {
  const match = REPO_FOLDER.exec(name);
  return match ? `${match[1]}/${match[2]}` : null;
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
