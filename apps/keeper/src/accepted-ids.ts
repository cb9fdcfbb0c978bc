import type { JobAccepted } from '@rbee/contract';

/** The ids of an accepted job's downloads: one, several, or none for an operation that downloads nothing. */
export function acceptedIds(accepted: JobAccepted): string[] {
  if (accepted.downloads !== undefined) return accepted.downloads.map((download) => download.download_id);
  return accepted.download_id === undefined ? [] : [accepted.download_id];
}
