import { ACTIVE_STATUSES, type Download, type Hive } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import type { Relay } from './relay.ts';

/** As many as a page of a list may have. */
const PAGE_LIMIT = '1000';

export interface DiscoveryDeps {
  readonly relay: Relay;
  readonly client: HiveClient;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Finds downloads that the queen did not start, or started in an earlier life, and relays them: whenever a hive says that
 * it has more of them than are known.
 */
export class Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #searching = new Set<string>();

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
  }

  async heard(hive: Hive): Promise<void> {
    const { relay, client, log } = this.#deps;
    const { hive_id, active_downloads } = hive;
    if (active_downloads <= relay.activeAt(hive_id) || this.#searching.has(hive_id) || relay.isFull) return;
    this.#searching.add(hive_id);
    try {
      // What finds no room is found again at a later beat.
      for (const { download_id } of await activeDownloads(client, hive))
        if (!relay.isFull) relay.open(hive_id, download_id);
    } catch (error) {
      log.warn({ hiveId: hive_id, err: error }, 'a hive does not tell its downloads');
    } finally {
      this.#searching.delete(hive_id);
    }
  }
}

/** The downloads of a hive that have not ended. */
export async function activeDownloads(
  client: Pick<HiveClient, 'listDownloads'>,
  hive: Hive,
  timeoutMs?: number,
): Promise<readonly Download[]> {
  const pages = ACTIVE_STATUSES.map((status) => client.listDownloads(hive, { status, limit: PAGE_LIMIT }, timeoutMs));
  return (await Promise.all(pages)).flat();
}
