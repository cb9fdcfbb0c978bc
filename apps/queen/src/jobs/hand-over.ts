import { type Hive, type Operation, toRbeeError } from '@rbee/contract';
import type { Job } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import { acceptedBy, type HandOver, refusedBy } from './leg.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

export interface HandOverDeps {
  readonly client: Pick<HiveClient, 'createJob'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'add' | 'forget'>;
}

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
      undeliveredCancels.add({ job_id: job.id, hive_id, partial: 'keep' });
    return refusedBy(hive_id, failure);
  }
}
