import { ACTIVE_STATUSES, type Download, type Hive } from '@rbee/contract';
import type { HiveClient } from './client.ts';

/** The most that one page of a list may have. */
const PAGE_LIMIT = '1000';

/** The downloads of a hive that have not ended. */
export async function activeDownloads(
  client: Pick<HiveClient, 'listDownloads'>,
  hive: Hive,
  timeoutMs?: number,
): Promise<readonly Download[]> {
  const pages = ACTIVE_STATUSES.map((status) => client.listDownloads(hive, { status, limit: PAGE_LIMIT }, timeoutMs));
  return (await Promise.all(pages)).flat();
}
