import type { CancelledJob, DownloadEvent, JobAccepted, JobData, JobState, Narration } from '@rbee/contract';
import type { Failure } from './errors/failure.ts';

/** How the connection of one followed stream stands. */
interface ConnectionChange {
  readonly state: 'lost' | 'open';
  /** The id of the job or the download whose stream it is. */
  readonly id: string;
  /** Why it was lost; null when it is open again. */
  readonly reason: string | null;
  /** Tries to connect since it was lost. */
  readonly attempt: number;
}

/** How fast a download may be that was there already. */
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

/** Everything that a command which follows something has to tell, in order. */
export type WatchEvent =
  | DownloadEvent
  | {
      readonly event: 'accepted';
      readonly model: string;
      readonly data: JobAccepted;
      /** Bytes per second that each of its downloads may take, where there is a limit. */
      readonly max_bandwidth?: number;
    }
  | { readonly event: 'limit'; readonly data: DownloadLimit }
  | { readonly event: 'narration'; readonly data: Narration }
  | { readonly event: 'data'; readonly data: JobData }
  | { readonly event: 'end'; readonly data: JobEnded }
  | { readonly event: 'connection'; readonly data: ConnectionChange }
  | { readonly event: 'receipt'; readonly data: CancelledJob }
  | { readonly event: 'failure'; readonly failure: Failure };

/** Where a command's events go. */
export type Emit = (event: WatchEvent) => void;
