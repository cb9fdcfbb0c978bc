import { type Download, type DownloadId, type Hive, RbeeError } from '@rbee/contract';
import type { HiveAddress, HiveClient } from '../hives/client.ts';
import type { Relay } from './relay.ts';

export interface FindDownloadDeps {
  readonly relay: Relay;
  readonly client: HiveClient;
  readonly hives: () => readonly Hive[];
  /** The last known hive of a download, also from a previous run of the queen. */
  readonly rememberedHiveOf: (id: DownloadId) => string | null;
}

/** A download and the hive that has it. */
export interface FoundDownload {
  readonly hive: HiveAddress;
  readonly download: Download;
}

/**
 * Finds a download in the fleet: at its known hive, else by asking every online hive.
 * @throws RbeeError DOWNLOAD_NOT_FOUND, HIVE_UNAVAILABLE when its hive does not respond
 */
export async function findDownload(deps: FindDownloadDeps, id: DownloadId): Promise<FoundDownload> {
  const known = knownHiveOf(deps, id);
  if (known) return { hive: known, download: await deps.client.getDownload(known, id) };
  const online = deps.hives().filter((hive) => hive.online);
  const responses = await Promise.allSettled(
    online.map(async (hive): Promise<FoundDownload> => ({ hive, download: await deps.client.getDownload(hive, id) })),
  );
  const found = responses.find((response) => response.status === 'fulfilled');
  if (found) return found.value;
  throw new RbeeError('DOWNLOAD_NOT_FOUND', `no online hive has the download ${id}`, {
    hint: 'list them with "download list"',
  });
}

/** The hive of a download without a request; undefined if the queen does not know it. */
export function knownHiveOf(deps: FindDownloadDeps, id: DownloadId): Hive | undefined {
  const hiveId = deps.relay.hiveOf(id) ?? deps.rememberedHiveOf(id);
  return deps.hives().find((hive) => hive.hive_id === hiveId);
}
