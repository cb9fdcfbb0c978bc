import type { Download, DownloadStatus } from '@rbee/contract';
import type { DownloadListing } from '../answers.ts';
import type { ListDeps } from './command-deps.ts';

export interface DownloadListRequest {
  readonly status?: DownloadStatus;
  readonly limit?: number;
}

/** Downloads of the fleet, newest first. */
export function downloadList({ client, signal }: ListDeps, request: DownloadListRequest): Promise<DownloadListing> {
  return client.downloads(request, signal);
}

const ACTIVE: readonly DownloadStatus[] = ['queued', 'starting', 'downloading', 'verifying', 'paused'];

/** Every download that has not ended, newest first. */
export async function activeDownloads({ client, signal }: ListDeps): Promise<Download[]> {
  // Asked status by status: in one list of everything an old download that still runs would be far down.
  const pages = await Promise.all(ACTIVE.map((status) => client.downloads({ status, limit: 1_000 }, signal)));
  const byId = new Map(pages.flatMap(({ downloads }) => downloads.map((download) => [download.download_id, download])));
  return [...byId.values()].sort((a, b) => b.download_id.localeCompare(a.download_id));
}
