import type { Clock, Hive } from '@rbee/contract';
import { activeDownloads } from '../hives/active-downloads.ts';
import type { HiveClient } from '../hives/client.ts';
import type { Relay } from './relay.ts';

/** How long a search that found nothing new is not repeated: a hive may count what it does not list. */
const IN_VAIN_MS = 30_000;

export interface DiscoveryDeps {
  readonly relay: Relay;
  readonly client: HiveClient;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Finds and relays downloads that the queen did not start, or started in a previous run: whenever a hive reports more of
 * them than the queen knows.
 */
export class Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #searching = new Set<string>();
  /** Searches that found nothing new: until when none of that hive is repeated, unless its number of downloads changes. */
  readonly #inVain = new Map<string, { readonly active: number; readonly untilMs: number }>();

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
  }

  async onHeartbeat(hive: Hive): Promise<void> {
    const { relay, client, clock, log } = this.#deps;
    const { hive_id, active_downloads } = hive;
    if (active_downloads <= relay.activeAt(hive_id) || this.#searching.has(hive_id) || relay.isFull) return;
    const inVain = this.#inVain.get(hive_id);
    if (inVain?.active === active_downloads && clock.now() < inVain.untilMs) return;
    this.#searching.add(hive_id);
    try {
      const before = relay.activeAt(hive_id);
      // Downloads beyond the limit are found again at a later heartbeat.
      for (const { download_id } of await activeDownloads(client, hive))
        if (!relay.isFull) relay.open(hive_id, download_id);
      if (relay.activeAt(hive_id) > before) this.#inVain.delete(hive_id);
      else this.#inVain.set(hive_id, { active: active_downloads, untilMs: clock.now() + IN_VAIN_MS });
    } catch (error) {
      log.warn({ hiveId: hive_id, err: error }, 'cannot list the downloads of a hive');
    } finally {
      this.#searching.delete(hive_id);
    }
  }
}
