import {
  addCommit,
  createRepo,
  type FileSource,
  type Repo,
  type RepoFile,
  type RepoSpec,
  replaceFile,
  type StoredFile,
} from './repo.ts';

export interface AddedRepo {
  /** The commit of `main`. */
  readonly commit: string;
  readonly files: readonly RepoFile[];
}

/** All repos of one hub. A lookup of something missing throws, unless it says null. */
export interface RepoStore {
  add(spec: RepoSpec): AddedRepo;
  pushCommit(id: string, files: Readonly<Record<string, FileSource>>): AddedRepo;
  setFile(id: string, path: string, source: FileSource): RepoFile;
  find(id: string): Repo | null;
  all(): readonly Repo[];
  /** The current id of a renamed repo; null for any other id. */
  newIdOf(id: string): string | null;
  /** The file at a path of the CDN, or null. */
  fileAt(cdnPath: string): StoredFile | null;
  /** A file on `main`. */
  fileOf(id: string, path: string): StoredFile;
}

/** @param xet whether LFS files are Xet's */
export function createRepoStore(xet: boolean): RepoStore {
  const repos = new Map<string, Repo>();
  const newIds = new Map<string, string>();

  const repoOf = (id: string): Repo => {
    const repo = repos.get(id);
    if (repo === undefined) throw new Error(`the hub has no repo ${id}`);
    return repo;
  };

  return {
    add(spec) {
      const repo = createRepo(spec, xet);
      repos.set(spec.id, repo);
      for (const old of spec.renamedFrom ?? []) newIds.set(old, spec.id);
      return added(repo);
    },
    pushCommit(id, files) {
      addCommit(repoOf(id), files, 'main');
      return added(repoOf(id));
    },
    setFile: (id, path, source) => publicFile(replaceFile(repoOf(id), path, source)),
    find: (id) => repos.get(id) ?? null,
    all: () => [...repos.values()],
    newIdOf: (id) => newIds.get(id) ?? null,
    fileAt: (cdnPath) => fileAt(repos, cdnPath),
    fileOf(id, path) {
      const file = headFiles(repoOf(id)).find((candidate) => candidate.path === path);
      if (file === undefined) throw new Error(`${id} has no file ${path}`);
      return file;
    },
  };
}

function fileAt(repos: ReadonlyMap<string, Repo>, cdnPath: string): StoredFile | null {
  for (const repo of repos.values()) {
    for (const tree of repo.trees.values()) {
      for (const file of tree.values()) if (file.cdnPath === cdnPath) return file;
    }
  }
  return null;
}

function headFiles(repo: Repo): StoredFile[] {
  return [...(repo.trees.get(headOf(repo))?.values() ?? [])];
}

function headOf(repo: Repo): string {
  const commit = repo.revisions.get('main');
  if (commit === undefined) throw new Error(`${repo.id} has no main`);
  return commit;
}

function added(repo: Repo): AddedRepo {
  return { commit: headOf(repo), files: headFiles(repo).map(publicFile) };
}

function publicFile({ path, size, sha256, gitSha1, lfs, etag, finalEtag }: StoredFile): RepoFile {
  return { path, size, sha256, gitSha1, lfs, etag, finalEtag };
}
