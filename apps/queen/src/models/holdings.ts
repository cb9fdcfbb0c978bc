import type { Hive } from '@rbee/contract';
import { activeDownloads } from '../hives/active-downloads.ts';
import type { HiveClient } from '../hives/client.ts';
import type { Holdings } from '../placement/nearness.ts';

/** A choice of a hive does not wait longer for what is only good to know. */
const TIMEOUT_MS = 1_500;

interface Asked {
  readonly answer: Promise<Holdings>;
  /** For all who came after it was asked. */
  next: Promise<Holdings> | null;
}

/**
 * Asks hives what they have; what one does not say in time it does not have. A hive is asked once at a time, however many
 * want to know: those who come meanwhile share the next answer, so that nobody gets one from before his question.
 */
export function createHoldingsLookup(client: Pick<HiveClient, 'listDownloads' | 'listModels'>) {
  const asked = new Map<string, Asked>();

  const ask = (hive: Hive): Promise<Holdings> => {
    const entry: Asked = { answer: holdingsOf(client, hive), next: null };
    asked.set(hive.hive_id, entry);
    void entry.answer.then(() => {
      if (entry.next === null) asked.delete(hive.hive_id);
    });
    return entry.answer;
  };
  return (hive: Hive): Promise<Holdings> => {
    const before = asked.get(hive.hive_id);
    if (before === undefined) return ask(hive);
    before.next ??= before.answer.then(() => ask(hive));
    return before.next;
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
