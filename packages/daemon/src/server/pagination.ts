import type { Download, DownloadId, DownloadStatus } from '@rbee/contract';

interface PageQuery {
  readonly status?: DownloadStatus | undefined;
  readonly limit: number;
  readonly cursor?: DownloadId | undefined;
}

/**
 * One page of downloads, newest first. The cursor is the last id of the previous page. Ids sort by time, so pages stay
 * consistent when downloads are added or removed between two requests.
 */
export function pageOf<D extends Pick<Download, 'download_id' | 'status'>>(
  downloads: readonly D[],
  query: PageQuery,
): { downloads: D[]; next_cursor: DownloadId | null } {
  const { status, limit, cursor } = query;
  const rest = downloads
    .filter((download) => status === undefined || download.status === status)
    .filter((download) => cursor === undefined || download.download_id < cursor)
    .sort((a, b) => (a.download_id < b.download_id ? 1 : -1));
  const page = rest.slice(0, limit);
  return { downloads: page, next_cursor: rest.length > limit ? (page.at(-1)?.download_id ?? null) : null };
}
