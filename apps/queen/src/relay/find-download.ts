import { type Download, type DownloadId, type Hive, RbeeError } from '@rbee/contract';
import type { HiveAddress, HiveClient } from '../hives/client.ts';
import type { Relay } from './relay.ts';

export interface FindDownloadDeps {
  readonly relay: Relay;
  readonly client: HiveClient;
  readonly hives: () => readonly Hive[];
  /** The hive that a download was at when it was last heard of, also in an earlier life of the queen. */
  readonly rememberedHiveOf: (id: DownloadId) => string | null;
}

/** A download and the hive that has it. */
export interface Found {
  readonly hive: HiveAddress;
  readonly download: Download;
}

/**
 * Finds a download in the fleet: at the hive that the queen knows it from, else by asking every hive that is online.
 * @throws RbeeError DOWNLOAD_NOT_FOUND, HIVE_UNAVAILABLE when its hive does not answer
 */
export async function findDownload(deps: FindDownloadDeps, id: DownloadId): Promise<Found> {
  const known = knownHiveOf(deps, id);
  if (known) return { hive: known, download: await deps.client.getDownload(known, id) };
  const online = deps.hives().filter((hive) => hive.online);
  const answers = await Promise.allSettled(
    online.map(async (hive): Promise<Found> => ({ hive, download: await deps.client.getDownload(hive, id) })),
  );
  const found = answers.find((answer) => answer.status === 'fulfilled');
  if (found) return found.value;
  throw new RbeeError('DOWNLOAD_NOT_FOUND', `no hive that is online has a download ${id}`, {
    hint: 'list them with "download list"',
  });
}

/** The hive of a download without asking anybody; undefined where the queen does not know it. */
export function knownHiveOf(deps: FindDownloadDeps, id: DownloadId): Hive | undefined {
  const hiveId = deps.relay.hiveOf(id) ?? deps.rememberedHiveOf(id);
  return deps.hives().find((hive) => hive.hive_id === hiveId);
}
