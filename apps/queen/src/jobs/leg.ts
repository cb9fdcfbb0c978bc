import {
  type CancelReceipt,
  type Failure,
  type JobAccepted,
  type JobDownload,
  RbeeError,
  type RbeeErrorOptions,
  toFailure,
} from '@rbee/contract';
import type { Job } from '@rbee/jobs';
import type { KeptRoute } from '../state/saved-rows.ts';

/** The part of a job that one hive performs. */
export interface Leg {
  readonly hiveId: string;
  /** Why the hive rejected the operation; null when it accepted. */
  readonly refusal: Failure | null;
  /** Effects of a cancel at the hive. */
  receipts: CancelReceipt[];
  /** Aborts to follow it no more: it then ends as cancelled. */
  readonly following: AbortController;
}

/** The response of one hive to the operation. */
export interface HandOver {
  readonly leg: Leg;
  readonly accepted: JobAccepted | null;
}

export function acceptedBy(hiveId: string, accepted: JobAccepted): HandOver {
  return { leg: legAt(hiveId, null), accepted };
}

export function refusedBy(hiveId: string, error: RbeeError): HandOver {
  return { leg: legAt(hiveId, toFailure(error)), accepted: null };
}

function legAt(hiveId: string, refusal: Failure | null): Leg {
  return { hiveId, refusal, receipts: [], following: new AbortController() };
}

export function errorOf({ code, message, hint, details }: Failure): RbeeError {
  const options: RbeeErrorOptions = {
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  };
  return new RbeeError(code, message, options);
}

/** The downloads of a job at one hive. */
export function downloadsAt(job: Pick<Job, 'downloads'>, hiveId: string): readonly JobDownload[] {
  return job.downloads.filter(({ hive_id }) => hive_id === hiveId);
}

/** Receipts for what no hive has told. */
export function receiptsFor(
  job: Pick<Job, 'downloads'>,
  hiveId: string,
  state: Extract<CancelReceipt['state'], 'ended' | 'unreachable'>,
): CancelReceipt[] {
  return downloadsAt(job, hiveId).map(({ download_id, hive_id }) => ({
    download_id,
    hive_id,
    state,
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

/** Why a job has failed: the refusal of a hive, where there is one. */
export function failureOf(message: string, legs: readonly Leg[]): RbeeError {
  const refusal = legs.map((leg) => leg.refusal).find((known) => known !== null);
  return refusal ? errorOf(refusal) : new RbeeError('DOWNLOAD_FAILED', message);
}

/** The legs of a restored job; without its route, the hives of its downloads. */
export function legsOf(job: Pick<Job, 'downloads'>, route: KeptRoute | null): readonly Leg[] {
  const hiveIds = new Set(job.downloads.map(({ hive_id }) => hive_id));
  const legs = route?.legs ?? [...hiveIds].map((hive_id) => ({ hive_id, refusal: null }));
  return legs.map(({ hive_id, refusal }) => legAt(hive_id, refusal));
}
