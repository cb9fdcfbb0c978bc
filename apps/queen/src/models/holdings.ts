import type { Hive } from '@rbee/contract';
import { activeDownloads } from '../hives/active-downloads.ts';
import type { HiveClient } from '../hives/client.ts';
import type { Holdings } from '../placement/nearness.ts';

/** Holdings only improve the choice of a hive, so it does not wait longer for them. */
const TIMEOUT_MS = 1_500;

interface Lookup {
  readonly result: Promise<Holdings>;
  /** For all calls since it started. */
  next: Promise<Holdings> | null;
}

/**
 * Looks up the holdings of hives; a hive that does not respond in time counts as empty. Each hive has one lookup at a time:
 * calls during a lookup share the next one, so that no result is older than its call.
 */
export function createHoldingsLookup(client: Pick<HiveClient, 'listDownloads' | 'listModels'>) {
  const lookups = new Map<string, Lookup>();

  const start = (hive: Hive): Promise<Holdings> => {
    const lookup: Lookup = { result: holdingsOf(client, hive), next: null };
    lookups.set(hive.hive_id, lookup);
    void lookup.result.then(() => {
      if (lookup.next === null) lookups.delete(hive.hive_id);
    });
    return lookup.result;
  };
  return (hive: Hive): Promise<Holdings> => {
    const current = lookups.get(hive.hive_id);
    if (current === undefined) return start(hive);
    current.next ??= current.result.then(() => start(hive));
    return current.next;
  };
}

/** Never rejects. */
async function holdingsOf(client: Pick<HiveClient, 'listDownloads' | 'listModels'>, hive: Hive): Promise<Holdings> {
  const [active, store] = await Promise.allSettled([
    activeDownloads(client, hive, TIMEOUT_MS),
    client.listModels(hive, TIMEOUT_MS),
  ]);
  return {
    underWay: active.status === 'fulfilled' ? active.value.map(({ model_ref }) => model_ref) : [],
    store: store.status === 'fulfilled' ? store.value : { models: [], partials: [] },
  };
}
