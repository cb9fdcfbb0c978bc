import type { Download, DownloadPatch, DownloadStatus } from '@rbee/contract';
import type { CommandDeps } from './command-deps.ts';
import { conflictIn } from './each-download.ts';

export interface ChangedDownload {
  readonly download: Download;
  /** Whether it was as wanted before. */
  readonly wasSo: boolean;
}

/** Statuses of a download that is as a pause or a resume wants it. */
const FULFILLED: Readonly<Record<'pause' | 'resume', readonly DownloadStatus[]>> = {
  pause: ['paused'],
  resume: ['queued', 'starting', 'downloading', 'verifying', 'complete'],
};

/** Pauses or resumes a download; one that is as wanted stays so. @throws RbeeError STATUS_CONFLICT */
export async function switchDownload(
  { client, signal }: CommandDeps,
  id: string,
  verb: 'pause' | 'resume',
): Promise<ChangedDownload> {
  try {
    const call = verb === 'pause' ? client.pauseDownload : client.resumeDownload;
    return { download: await call(id, signal), wasSo: false };
  } catch (error) {
    if (conflictIn(error) === null) throw error;
    const download = await client.download(id, signal);
    if (FULFILLED[verb].includes(download.status)) return { download, wasSo: true };
    throw error;
  }
}

/** Changes the limit or the priority of a download. @throws RbeeError STATUS_CONFLICT if it has ended */
export async function patchDownload(
  { client, signal }: CommandDeps,
  id: string,
  patch: DownloadPatch,
): Promise<ChangedDownload> {
  return { download: await client.patchDownload(id, patch, signal), wasSo: false };
}
