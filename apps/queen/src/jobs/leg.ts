import {
  type CancelReceipt,
  type Failure,
  type JobAccepted,
  type JobDownload,
  RbeeError,
  type RbeeErrorOptions,
} from '@rbee/contract';
import type { Job } from '@rbee/jobs';

/** The part of a job that one hive performs. */
export interface Leg {
  readonly hiveId: string;
  /** Why the hive rejected the operation; null when it accepted. */
  readonly refusal: Failure | null;
  /** Effects of a cancel at the hive. */
  receipts: CancelReceipt[];
}

/** The response of one hive to the operation. */
export interface HandOver {
  readonly leg: Leg;
  readonly accepted: JobAccepted | null;
}

export function acceptedBy(hiveId: string, accepted: JobAccepted): HandOver {
  return { leg: { hiveId, refusal: null, receipts: [] }, accepted };
}

export function refusedBy(hiveId: string, { code, message, hint }: RbeeError): HandOver {
  const refusal = { code, message, ...(hint === undefined ? {} : { hint }) };
  return { leg: { hiveId, refusal, receipts: [] }, accepted: null };
}

export function errorOf({ code, message, hint }: Failure): RbeeError {
  const options: RbeeErrorOptions = hint === undefined ? {} : { hint };
  return new RbeeError(code, message, options);
}

/** The downloads of a job at one hive. */
export function downloadsAt(job: Pick<Job, 'downloads'>, hiveId: string): readonly JobDownload[] {
  return job.downloads.filter(({ hive_id }) => hive_id === hiveId);
}

export function unreachableReceipts(job: Pick<Job, 'downloads'>, hiveId: string): CancelReceipt[] {
  return downloadsAt(job, hiveId).map(({ download_id, hive_id }) => ({
    download_id,
    hive_id,
    state: 'unreachable',
    partial: null,
    bytes: 0,
  }));
}

/** The response to a request for several hives lists the downloads, however many hives accepted. */
export function toAccepted(job: Job, many: boolean): JobAccepted {
  const { sse_url } = job.snapshot();
  const [single] = job.downloads;
  if (many) return { job_id: job.id, sse_url, downloads: [...job.downloads] };
  if (!single) return { job_id: job.id, sse_url };
  return { job_id: job.id, sse_url, download_id: single.download_id, download_sse_url: single.download_sse_url };
}
