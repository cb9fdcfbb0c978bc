import { followFleet } from '../daemon-client/follow-streams.ts';
import type { CommandDeps } from './command-deps.ts';
import { resolveDownloadId } from './download-id.ts';
import { activeDownloads } from './download-list.ts';
import { followDownloads } from './follow-downloads.ts';

/** Follows the downloads named (ids or their beginnings) to their ends. Returns the exit code of the worst. */
export async function downloadWatch(deps: CommandDeps, named: readonly string[]): Promise<number> {
  const ids = new Set(await Promise.all(named.map((text) => resolveDownloadId(deps, text))));
  await tellLimits(deps, (id) => ids.has(id));
  return followDownloads(deps, [...ids]);
}

/**
 * Follows every download of the fleet, also those that start later, until the signal.
 * @throws the signal's reason; RbeeError or KeeperError where the queen cannot be followed
 */
export async function fleetWatch(deps: CommandDeps): Promise<never> {
  await tellLimits(deps, () => true);
  return followFleet(deps);
}

/** The streams do not say how fast a download may be, and it explains what is seen. */
async function tellLimits(deps: CommandDeps, isWanted: (id: string) => boolean): Promise<void> {
  for (const { download_id: id, max_bandwidth: limit } of await activeDownloads(deps)) {
    if (limit && isWanted(id)) deps.emit({ event: 'limit', data: { download_id: id, max_bandwidth: limit } });
  }
}
