import type { HubTreeEntry } from './hub-tree.ts';

/** The trees of many small repos, or of one huge one: some ten megabytes. */
const MAX_CACHED_ENTRIES = 100_000;

/** The files of a commit never change, so they are requested once. The most recently used trees are kept. */
export interface TreeCache {
  get(repo: string, commit: string): readonly HubTreeEntry[] | null;
  set(repo: string, commit: string, tree: readonly HubTreeEntry[]): void;
}

export function createTreeCache(maxEntries: number = MAX_CACHED_ENTRIES): TreeCache {
  /** Least recently used first. */
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
    set(repo, commit, tree) {
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
