import type { HubTreeEntry } from './hub-tree.ts';

/** What the trees of many small repos, or that of one huge one, come to: some ten megabytes. */
const MAX_CACHED_ENTRIES = 100_000;

/** What a commit holds never changes, so it is asked once. The trees that were used last are kept. */
export interface TreeCache {
  get(repo: string, commit: string): readonly HubTreeEntry[] | null;
  put(repo: string, commit: string, tree: readonly HubTreeEntry[]): void;
}

export function createTreeCache(maxEntries: number = MAX_CACHED_ENTRIES): TreeCache {
  /** In the order of their last use. */
  const trees = new Map<string, readonly HubTreeEntry[]>();
  let entries = 0;
  const remove = (key: string) => {
    entries -= trees.get(key)?.length ?? 0;
    trees.delete(key);
  };
  return {
    get(repo, commit) {
      const key = `${repo}@${commit}`;
      const tree = trees.get(key);
      if (tree === undefined) return null;
      trees.delete(key);
      trees.set(key, tree);
      return tree;
    },
    put(repo, commit, tree) {
      const key = `${repo}@${commit}`;
      remove(key);
      trees.set(key, tree);
      entries += tree.length;
      for (const oldest of trees.keys()) {
        if (entries <= maxEntries) return;
        remove(oldest);
      }
    },
  };
}
