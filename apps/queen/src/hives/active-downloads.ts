import { ACTIVE_STATUSES, type Download, type DownloadId, type DownloadStatus, type Hive } from '@rbee/contract';
import type { HiveClient } from './client.ts';

/** The most that one page of a list may have. */
const PAGE_LIMIT = '1000';
/** Pages of one status; more than a queen follows. A hive whose list never ends must not keep the queen busy. */
const MAX_PAGES = 20;

/** The downloads of a hive that have not ended. `timeoutMs` is for each page. */
export async function activeDownloads(
  client: Pick<HiveClient, 'listDownloads'>,
  hive: Hive,
  timeoutMs?: number,
): Promise<readonly Download[]> {
  const lists = ACTIVE_STATUSES.map((status) => allPages(client, hive, status, timeoutMs));
  return (await Promise.all(lists)).flat();
}

async function allPages(
  client: Pick<HiveClient, 'listDownloads'>,
  hive: Hive,
  status: DownloadStatus,
  timeoutMs: number | undefined,
): Promise<Download[]> {
  const all: Download[] = [];
  let cursor: DownloadId | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query: Record<string, string> = { status, limit: PAGE_LIMIT, ...(cursor === null ? {} : { cursor }) };
    const { downloads, next_cursor } = await client.listDownloads(hive, query, timeoutMs);
    all.push(...downloads);
    // A cursor that does not move would start over.
    if (next_cursor === null || (cursor !== null && next_cursor >= cursor)) break;
    cursor = next_cursor;
  }
  return all;
}
