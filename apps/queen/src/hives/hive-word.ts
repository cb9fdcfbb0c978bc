import { type DownloadId, type JobId, RbeeError } from '@rbee/contract';
import type { HiveClient } from './client.ts';

/** How long a daemon may take to say which hive it is. */
const IDENTIFY_TIMEOUT_MS = 2_000;

/** What a hive has, or has forgotten. */
export type Subject = { readonly download: DownloadId } | { readonly job: JobId };

export interface HiveWordDeps {
  readonly fleet: {
    /** @throws RbeeError HIVE_NOT_FOUND */
    get(hiveId: string): { readonly hive_id: string; readonly hive_url: string };
  };
  readonly client: Pick<HiveClient, 'identify' | 'getDownload' | 'getJob'>;
}

/**
 * The rule of what ends a download or a job besides the last event of its stream: the daemon at the hive's address says
 * that it is this hive, and then that it has no such download or job. Everything else (another hive, another program, a
 * proxy's page, a refused token, a redirect, an error, silence) may be over when the hive is back, and ends nothing.
 */
export async function hasForgotten(deps: HiveWordDeps, hiveId: string, subject: Subject): Promise<boolean> {
  try {
    const hive = deps.fleet.get(hiveId);
    // In this order: a 404 counts only after the daemon has said who it is.
    if (!(await isThere(deps, hiveId))) return false;
    await ('job' in subject ? deps.client.getJob(hive, subject.job) : deps.client.getDownload(hive, subject.download));
    return false;
  } catch (error) {
    return error instanceof RbeeError && error.code === ('job' in subject ? 'JOB_NOT_FOUND' : 'DOWNLOAD_NOT_FOUND');
  }
}

/** Whether the daemon at the hive's address says that it is this hive. */
export async function isThere({ fleet, client }: HiveWordDeps, hiveId: string): Promise<boolean> {
  return (await client.identify(fleet.get(hiveId).hive_url, IDENTIFY_TIMEOUT_MS)) === hiveId;
}
