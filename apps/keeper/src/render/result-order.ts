import { acceptedIds, type WatchEvent } from '../watch-event.ts';

/** The results of several models in the order of the command line, though their downloads end in any order. */
export interface ResultOrder {
  /** The models in that order; one that is named twice has its results twice. */
  expect(models: readonly string[]): void;
  /** Applies an event and returns the results that no earlier model holds up any more. */
  after(event: WatchEvent): readonly string[];
  /** The results that are left when the command ends. */
  rest(): readonly string[];
}

/** `paths`: of the downloads, when they are complete. `ids`: of the downloads, when they are started. */
export function createResultOrder(kind: 'paths' | 'ids'): ResultOrder {
  const queue: string[] = [];
  const idsOf = new Map<string, readonly string[]>();
  /** A path or null for each download that has ended. */
  const ends = new Map<string, string | null>();
  const isKnown = (id: string) => kind === 'ids' || ends.has(id);

  function resultsOf(model: string): string[] {
    const ids = idsOf.get(model) ?? [];
    return ids.map((id) => (kind === 'ids' ? id : (ends.get(id) ?? null))).filter((result) => result !== null);
  }

  function apply(event: WatchEvent): string[] {
    switch (event.event) {
      case 'accepted': {
        const ids = acceptedIds(event.data);
        idsOf.set(event.model, ids);
        return kind === 'ids' ? ids : [];
      }
      case 'complete':
        ends.set(event.data.download_id, event.data.path);
        return kind === 'paths' ? [event.data.path] : [];
      case 'error':
      case 'cancelled':
        ends.set(event.data.download_id, null);
        return [];
      default:
        return [];
    }
  }

  return {
    expect: (models) => void queue.push(...models),
    after(event) {
      const isOrdered = queue.length > 0;
      const own = apply(event);
      if (!isOrdered) return own;
      const ready: string[] = [];
      for (let next = queue[0]; next !== undefined && idsOf.get(next)?.every(isKnown); next = queue[0]) {
        ready.push(...resultsOf(next));
        queue.shift();
      }
      return ready;
    },
    rest: () => queue.splice(0).flatMap(resultsOf),
  };
}
