import { type ErrorCode, type Hive, type Operation, toRbeeError } from '@rbee/contract';
import type { Job } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import { acceptedBy, type HandOver, refusedBy } from './leg.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

export interface HandOverDeps {
  readonly client: Pick<HiveClient, 'createJob'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'add' | 'forget'>;
}

/** Timeout for a hive while there is another that could take the job. */
const TRY_TIMEOUT_MS = 5_000;

/** Codes of a refusal that is about the request itself: no other hive would accept it. */
const FINAL: readonly ErrorCode[] = ['MODEL_REF_INVALID', 'REQUEST_INVALID', 'STATUS_CONFLICT', 'PAYLOAD_TOO_LARGE'];

export interface HandedOver {
  readonly hive: Hive;
  readonly operation: Operation;
  readonly signal: AbortSignal;
}

/** Hands a job to a hive. Without a clear response the hive may have it nevertheless, and gets a cancel when it is back. */
export async function handOver(
  { client, undeliveredCancels }: HandOverDeps,
  job: Job,
  { hive, operation, signal }: HandedOver,
): Promise<HandOver> {
  const { hive_id } = hive;
  // Of an earlier try under the same id.
  undeliveredCancels.forget(job.id, hive_id);
  try {
    return acceptedBy(hive_id, await client.createJob(hive, operation, signal));
  } catch (error) {
    const failure = toRbeeError(error);
    // Any other code is a refusal of the hive itself.
    if (failure.code === 'HIVE_UNAVAILABLE' || failure.code === 'INTERNAL')
      undeliveredCancels.add({ id: job.id, hive_id, partial: 'keep' });
    return refusedBy(hive_id, failure);
  }
}

/** What is handed to the first of several hives that accepts it. */
export interface HandedToOne extends Omit<HandedOver, 'hive'> {
  /** At least one, the best first. */
  readonly hives: readonly Hive[];
  /** Called before each hive after the first is asked. */
  readonly onNext: (hive: Hive) => void;
  readonly isCancelled: () => boolean;
}

/**
 * Hands a job to one hive: the first that accepts it. A hive that refuses it for a reason of its own, or does not respond,
 * is passed over; one that may have it nevertheless gets a cancel.
 */
export async function handToFirst(
  deps: HandOverDeps,
  job: Job,
  { hives, operation, signal, onNext, isCancelled }: HandedToOne,
): Promise<readonly HandOver[]> {
  const refused: HandOver[] = [];
  for (const [index, hive] of hives.entries()) {
    if (index > 0) onNext(hive);
    const isLast = index === hives.length - 1;
    const limit = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(TRY_TIMEOUT_MS)]);
    const response = await handOver(deps, job, { hive, operation, signal: limit });
    if (response.leg.refusal === null) return [response];
    refused.push(response);
    if (isCancelled() || FINAL.includes(response.leg.refusal.code)) break;
  }
  // A refusal says more than a hive that cannot be reached.
  return [refused.find(({ leg }) => leg.refusal?.code !== 'HIVE_UNAVAILABLE') ?? refused[0]].flatMap(
    (best) => best ?? [],
  );
}
