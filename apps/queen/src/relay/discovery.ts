import type { Hive } from '@rbee/contract';
import { activeDownloads } from '../hives/active-downloads.ts';
import type { HiveClient } from '../hives/client.ts';
import type { Relay } from './relay.ts';

export interface DiscoveryDeps {
  readonly relay: Relay;
  readonly client: HiveClient;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Finds and relays downloads that the queen did not start, or started in a previous run: whenever a hive reports more of
 * them than the queen knows.
 */
export class Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #searching = new Set<string>();

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
  }

  async onHeartbeat(hive: Hive): Promise<void> {
    const { relay, client, log } = this.#deps;
    const { hive_id, active_downloads } = hive;
    if (active_downloads <= relay.activeAt(hive_id) || this.#searching.has(hive_id) || relay.isFull) return;
    this.#searching.add(hive_id);
    try {
      // Downloads beyond the limit are found again at a later heartbeat.
      for (const { download_id } of await activeDownloads(client, hive))
        if (!relay.isFull) relay.open(hive_id, download_id);
    } catch (error) {
      log.warn({ hiveId: hive_id, err: error }, 'cannot list the downloads of a hive');
    } finally {
      this.#searching.delete(hive_id);
    }
  }
}
