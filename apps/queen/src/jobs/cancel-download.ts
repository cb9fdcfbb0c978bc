import {
  type CancelledDownload,
  type CancelReceipt,
  type DownloadId,
  type Hive,
  type PartialChoice,
  toRbeeError,
} from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { type HiveWordDeps, hasForgotten } from '../hives/hive-word.ts';
import type { Fleet } from '../placement/choice.ts';
import type { Relay } from '../relay/relay.ts';
import { within } from './cancel-time.ts';
import { pendingCancelText } from './perform-leg.ts';
import type { RoutedJobs } from './routed-jobs.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

export interface CancelDownloadDeps {
  readonly fleet: Fleet;
  readonly client: HiveWordDeps['client'] & Pick<HiveClient, 'cancelDownload'>;
  readonly relay: Pick<Relay, 'notice' | 'endOf'>;
  readonly routed: Pick<RoutedJobs, 'leaveDownload'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'add' | 'forget' | 'has'>;
}

/**
 * Cancels a download at its hive, with every job that waits for it there. When the hive cannot be reached, the jobs of the
 * queen are cancelled and the cancel is kept until the hive is back.
 * @throws RbeeError DOWNLOAD_NOT_FOUND when its hive no longer knows it
 */
export async function cancelDownload(
  deps: CancelDownloadDeps,
  hiveId: string,
  id: DownloadId,
  partial: PartialChoice,
): Promise<CancelledDownload> {
  const { relay, routed, undeliveredCancels } = deps;
  const hive = deps.fleet.get(hiveId);
  // A person waits for the response, and a hive that has no heartbeat has no response either.
  const cancelled = hive.online ? await within(cancelAt(deps, hive, id, partial), null) : null;
  if (cancelled !== null) return cancelled;
  const end = relay.endOf(id);
  if (end !== null && (partial === 'keep' || end.status === 'complete')) {
    const receipt: CancelReceipt = { download_id: id, hive_id: hiveId, state: 'ended', ...end.kept };
    return { download_id: id, status: end.status, jobs: 0, downloads: [receipt] };
  }
  if (!undeliveredCancels.has(id, hiveId)) relay.notice(id, 'CANCEL_PENDING', `the hive ${pendingCancelText(hiveId)}`);
  undeliveredCancels.add({ id, hive_id: hiveId, partial });
  const jobs = await routed.leaveDownload(id, hiveId);
  const receipt: CancelReceipt = { download_id: id, hive_id: hiveId, state: 'unreachable', partial: null, bytes: 0 };
  return { download_id: id, status: end?.status ?? 'cancelled', jobs, downloads: [receipt] };
}

/** The answer of the hive; null when there is none. @throws RbeeError DOWNLOAD_NOT_FOUND of the hive itself */
async function cancelAt(
  deps: CancelDownloadDeps,
  hive: Hive,
  id: DownloadId,
  partial: PartialChoice,
): Promise<CancelledDownload | null> {
  const { client, undeliveredCancels } = deps;
  try {
    const cancelled = await client.cancelDownload(hive, id, partial);
    undeliveredCancels.forget(id, hive.hive_id);
    return cancelled;
  } catch (error) {
    if (toRbeeError(error).code !== 'DOWNLOAD_NOT_FOUND') return null;
    if (!(await hasForgotten(deps, hive.hive_id, { download: id }))) return null;
    undeliveredCancels.forget(id, hive.hive_id);
    throw error;
  }
}
