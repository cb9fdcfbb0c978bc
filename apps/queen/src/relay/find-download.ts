import { type Download, type DownloadId, type Hive, RbeeError, toRbeeError } from '@rbee/contract';
import type { HiveAddress, HiveClient } from '../hives/client.ts';
import { lastSeenDownload } from './last-seen-download.ts';
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
 * Finds a download in the fleet: at its known hive, else by asking every online hive. While its hive does not respond it
 * is as the queen last saw it.
 * @throws RbeeError DOWNLOAD_NOT_FOUND, HIVE_UNAVAILABLE when its hive, or one that may have it, does not respond
 */
export async function findDownload(deps: FindDownloadDeps, id: DownloadId): Promise<FoundDownload> {
  const known = knownHiveOf(deps, id);
  if (known) return { hive: known, download: await downloadAt(deps, known, id) };
  const online = deps.hives().filter((hive) => hive.online);
  const problems: RbeeError[] = [];
  try {
    // The first hive that has it, without waiting for the slower ones.
    return await Promise.any(
      online.map(async (hive): Promise<FoundDownload> => {
        try {
          return { hive, download: await deps.client.getDownload(hive, id) };
        } catch (error) {
          const problem = toRbeeError(error);
          if (problem.code !== 'DOWNLOAD_NOT_FOUND') problems.push(problem);
          throw error;
        }
      }),
    );
  } catch {
    if (problems[0]) throw problems[0];
    throw new RbeeError('DOWNLOAD_NOT_FOUND', `no online hive has the download ${id}`, {
      hint: 'list them with "download list"',
    });
  }
}

/** The hive of a download, without a request where the queen knows it. @throws as `findDownload` */
export async function hiveOfDownload(deps: FindDownloadDeps, id: DownloadId): Promise<HiveAddress> {
  return knownHiveOf(deps, id) ?? (await findDownload(deps, id)).hive;
}

async function downloadAt({ relay, client }: FindDownloadDeps, hive: Hive, id: DownloadId): Promise<Download> {
  const newest = relay.newestOf(id);
  // A heartbeat is missing: a response would be, too.
  if (newest !== null && !hive.online) return lastSeenDownload(newest, Date.now());
  try {
    return await client.getDownload(hive, id);
  } catch (error) {
    const last = relay.newestOf(id);
    if (last === null || toRbeeError(error).code !== 'HIVE_UNAVAILABLE') throw error;
    return lastSeenDownload(last, Date.now());
  }
}

/** The hive of a download without a request; undefined if the queen does not know it. */
function knownHiveOf(deps: FindDownloadDeps, id: DownloadId): Hive | undefined {
  const hiveId = deps.relay.hiveOf(id) ?? deps.rememberedHiveOf(id);
  return deps.hives().find((hive) => hive.hive_id === hiveId);
}
