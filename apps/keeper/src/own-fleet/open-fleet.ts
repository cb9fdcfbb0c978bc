import { setTimeout as delay } from 'node:timers/promises';
import { type Fleet, type FleetOptions, startFleet } from './embedded.ts';
import { joinFleet } from './join-fleet.ts';
import { StoreOwnedError } from './store-owner.ts';

/** How long the hive of another command may take to start or to end. */
const OWNER_TIMEOUT_MS = 30_000;
const RETRY_MS = 250;

/**
 * A temporary queen and hive for a command. Where another hive owns the store, that one is used: that of another command
 * lives until the last command that uses it has ended.
 * @throws KeeperError DAEMON_FAILED; the signal's reason on abort
 */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const lastAt = performance.now() + OWNER_TIMEOUT_MS;
  while (true) {
    try {
      return await startFleet({ ...options, token: null, isShared: true });
    } catch (error) {
      if (!(error instanceof StoreOwnedError)) throw error;
      const joined = error.owner === null ? null : await joinFleet(options, error.owner);
      if (joined !== null) return joined;
      if (performance.now() >= lastAt) throw error;
      await delay(RETRY_MS, null, { signal: options.signal });
    }
  }
}
