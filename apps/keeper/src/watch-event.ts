import type { CancelledJob, DownloadEvent, JobAccepted, JobData, JobState, Narration } from '@rbee/contract';
import type { Failure } from './errors/failure.ts';

/** A change of the connection of one followed stream. */
interface ConnectionChange {
  readonly state: 'lost' | 'open';
  /** The id of the job or the download whose stream it is. */
  readonly id: string;
  /** Why it was lost; null when it is open again. */
  readonly reason: string | null;
  /** Attempts to reconnect since it was lost. */
  readonly attempt: number;
}

/** The bandwidth limit of a download that was running already. */
interface DownloadLimit {
  readonly download_id: string;
  /** Bytes per second. */
  readonly max_bandwidth: number;
}

/** The end of a job, from the last event of its stream. */
interface JobEnded {
  readonly job_id: string;
  readonly state: JobState;
  /** Why it failed. */
  readonly message?: string;
}

/** Everything that a following command reports, in order. */
export type WatchEvent =
  | DownloadEvent
  | {
      readonly event: 'accepted';
      readonly model: string;
      readonly data: JobAccepted;
      /** The bandwidth limit of each of its downloads in bytes per second, if there is one. */
      readonly max_bandwidth?: number;
    }
  | { readonly event: 'limit'; readonly data: DownloadLimit }
  | { readonly event: 'narration'; readonly data: Narration }
  | { readonly event: 'data'; readonly data: JobData }
  | { readonly event: 'end'; readonly data: JobEnded }
  /** The stream of all downloads has listed those that are running. */
  | { readonly event: 'snapshot_end'; readonly data: object }
  | { readonly event: 'connection'; readonly data: ConnectionChange }
  | {
      readonly event: 'receipt';
      readonly data: CancelledJob;
      /** Downloads of the job that continue, since other jobs want them too. */
      readonly continuing?: readonly string[];
    }
  | { readonly event: 'failure'; readonly failure: Failure };

/** Receives a command's events. */
export type Emit = (event: WatchEvent) => void;

/** The ids of an accepted job's downloads: one, several, or none if the operation downloads nothing. */
export function acceptedIds(accepted: JobAccepted): string[] {
  if (accepted.downloads !== undefined) return accepted.downloads.map((download) => download.download_id);
  return accepted.download_id === undefined ? [] : [accepted.download_id];
}
