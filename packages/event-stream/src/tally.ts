/** Counts by name, up to a limit for each. What is null is not counted. It holds names that have a count, and no others. */
export interface Tally {
  add(name: string | null): void;
  remove(name: string | null): void;
  isFull(name: string | null): boolean;
}

export function createTally(limit: number): Tally {
  const counts = new Map<string, number>();
  return {
    add(name) {
      if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    remove(name) {
      if (name === null) return;
      const left = (counts.get(name) ?? 0) - 1;
      if (left > 0) counts.set(name, left);
      else counts.delete(name);
    },
    isFull: (name) => name !== null && (counts.get(name) ?? 0) >= limit,
  };
}
