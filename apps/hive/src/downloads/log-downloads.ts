import { type DownloadTracker, isEnded } from '@rbee/download-tracker';

interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Logs each change of a download's status, and its notices. Ids and codes only: a ref or a message may contain a private
 * address.
 */
export function logDownloads(tracker: DownloadTracker, log: Log): void {
  const last = new Map<string, string>();
  tracker.onKeep((state) => {
    const { downloadId, jobId, status, bytes, total, error } = state;
    if (last.get(downloadId) === status) return;
    if (isEnded(status)) last.delete(downloadId);
    else last.set(downloadId, status);
    const fields = { downloadId, jobId, status, bytes, total };
    if (error === null) log.info(fields, 'download');
    else log.warn({ ...fields, code: error.code }, 'download');
  });
  tracker.onEvent(({ event, data }) => {
    if (event !== 'notice') return;
    const { download_id: downloadId, code, attempt } = data;
    log.warn({ downloadId, code, ...(attempt === undefined ? {} : { attempt }) }, 'download notice');
  });
}
