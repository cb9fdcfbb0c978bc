import type { CommandDeps } from './command.ts';
import { resolveDownloadId } from './download-id.ts';
import { activeDownloads } from './download-list.ts';
import { followDownloads } from './follow-downloads.ts';

/**
 * Follows the downloads named (ids or their beginnings), or every one that runs, to their ends.
 * Returns the exit code of the worst; null where none was named and none runs.
 */
export async function downloadWatch(deps: CommandDeps, named: readonly string[]): Promise<number | null> {
  const ids =
    named.length === 0
      ? (await activeDownloads(deps)).map((download) => download.download_id).reverse()
      : await Promise.all(named.map((text) => resolveDownloadId(deps, text)));
  return ids.length === 0 ? null : followDownloads(deps, [...new Set(ids)]);
}
