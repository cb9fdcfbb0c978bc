/** Listeners by hive. */
export function createListeners() {
  const byHive = new Map<string, Set<() => void>>();
  return {
    add(hiveId: string, listener: () => void): () => void {
      const listeners = byHive.get(hiveId) ?? new Set();
      byHive.set(hiveId, listeners.add(listener));
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && byHive.get(hiveId) === listeners) byHive.delete(hiveId);
      };
    },
    call(hiveId: string): void {
      for (const listener of [...(byHive.get(hiveId) ?? [])]) listener();
    },
  };
}
