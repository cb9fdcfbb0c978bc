import type { Hive } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import type { Holdings } from '../placement/holdings.ts';
import { activeDownloads } from './discovery.ts';

/** A choice of a hive does not wait longer for what is only good to know. */
const TIMEOUT_MS = 1_500;

/** Asks a hive what it has; what it does not say in time it does not have. */
export async function askHoldings(client: HiveClient, hive: Hive): Promise<Holdings> {
  const [active, store] = await Promise.allSettled([
    activeDownloads(client, hive, TIMEOUT_MS),
    client.listModels(hive, TIMEOUT_MS),
  ]);
  return {
    underWay: active.status === 'fulfilled' ? active.value.map(({ model_ref }) => model_ref) : [],
    store: store.status === 'fulfilled' ? store.value : { models: [], partials: [] },
  };
}
