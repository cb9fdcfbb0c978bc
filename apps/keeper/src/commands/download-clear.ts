import type { DownloadStatus } from '@rbee/contract';
import type { Removed } from '../answers.ts';
import type { CommandDeps } from './command-deps.ts';

export interface DownloadClearRequest {
  readonly status?: DownloadStatus;
  /** A duration that `parseDuration` has read already: `7d`. */
  readonly olderThan?: string;
}

/** Removes ended downloads from the history of every hive that is online. */
export function downloadClear({ client, signal }: CommandDeps, request: DownloadClearRequest): Promise<Removed> {
  return client.clearDownloads(request, signal);
}
