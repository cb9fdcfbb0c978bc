import { type CancelReceipt, type DownloadId, type JobDownload, type JobId, toRbeeError } from '@rbee/contract';
import type { Job } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import { type HiveWordDeps, hasForgotten } from '../hives/hive-word.ts';
import type { Fleet } from '../placement/choice.ts';
import { within } from './cancel-time.ts';
import { downloadsAt, type Leg } from './leg.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

export interface EndedReceiptsDeps {
  readonly fleet: Fleet;
  readonly client: HiveWordDeps['client'] & Pick<HiveClient, 'getDownload'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'deliver' | 'has'>;
}

/** The receipts for a job that has ended: what its hives say now. A cancel that still waits for a hive is tried again. */
export async function endedReceipts(deps: EndedReceiptsDeps, job: Job, legs: readonly Leg[]): Promise<CancelReceipt[]> {
  const deliver = (id: JobId | DownloadId, hiveId: string) => within(deps.undeliveredCancels.deliver(id, hiveId), null);
  const late = await Promise.all(
    legs.flatMap(({ hiveId }) =>
      [job.id, ...downloadsAt(job, hiveId).map(({ download_id }) => download_id)].map((id) => deliver(id, hiveId)),
    ),
  );
  const delivered = late.flatMap((receipts) => receipts ?? []);
  const others = job.downloads.filter(
    ({ download_id }) => !delivered.some((receipt) => receipt.download_id === download_id),
  );
  return [...delivered, ...(await Promise.all(others.map((download) => receiptOf(deps, job, download))))];
}

function receiptOf(deps: EndedReceiptsDeps, job: Job, { hive_id, download_id }: JobDownload): Promise<CancelReceipt> {
  const unreachable: CancelReceipt = { hive_id, download_id, state: 'unreachable', partial: null, bytes: 0 };
  const waits = [job.id, download_id].some((id) => deps.undeliveredCancels.has(id, hive_id));
  if (waits) return Promise.resolve(unreachable);
  const ask = async (): Promise<CancelReceipt> => {
    try {
      const hive = deps.fleet.get(hive_id);
      if (!hive.online) return unreachable;
      const { partial, bytes } = await deps.client.getDownload(hive, download_id);
      return { hive_id, download_id, state: 'ended', partial, bytes };
    } catch (error) {
      if (toRbeeError(error).code !== 'DOWNLOAD_NOT_FOUND') return unreachable;
      const isForgotten = await hasForgotten(deps, hive_id, { download: download_id });
      return isForgotten ? { ...unreachable, state: 'ended' } : unreachable;
    }
  };
  return within(ask(), unreachable);
}
