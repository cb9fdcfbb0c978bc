import { type Download, type DownloadId, newDownloadId } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { pageOf } from '../../src/index.ts';

type Row = Pick<Download, 'download_id' | 'status'>;

const rows: Row[] = Array.from({ length: 5 }, (_, index) => ({
  download_id: newDownloadId(1_000 + index),
  status: index % 2 === 0 ? 'complete' : 'failed',
}));
const newestFirst = rows.toReversed();

describe('a page of downloads', () => {
  it('is newest first, and the cursor leads through all of them once', () => {
    const seen: DownloadId[] = [];
    let cursor: DownloadId | undefined;
    do {
      const page = pageOf(rows, { limit: 2, cursor });
      seen.push(...page.downloads.map(({ download_id }) => download_id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(newestFirst.map(({ download_id }) => download_id));
  });

  it('stays right when a newer download comes between two pages', () => {
    const first = pageOf(rows, { limit: 2 });
    const later = [...rows, { download_id: newDownloadId(2_000), status: 'queued' as const }];
    const second = pageOf(later, { limit: 2, cursor: first.next_cursor ?? undefined });
    expect(second.downloads).toEqual(newestFirst.slice(2, 4));
  });

  it('holds one status where one is asked for', () => {
    const page = pageOf(rows, { limit: 10, status: 'failed' });
    expect(page).toEqual({ downloads: newestFirst.filter(({ status }) => status === 'failed'), next_cursor: null });
  });
});
