import type { Download, DownloadId, DownloadStatus } from '@rbee/contract';

interface PageQuery {
  readonly status?: DownloadStatus | undefined;
  readonly limit: number;
  readonly cursor?: DownloadId | undefined;
}

/**
 * One page of downloads, which come newest first. The cursor is the id of the last one of the page before; ids sort by
 * time, so a page stays right when downloads come or go between two requests.
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
