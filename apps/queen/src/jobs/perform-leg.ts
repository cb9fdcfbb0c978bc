import { hiveRoutes, JOB_EVENT_NAMES, type JobEnd, parseJobEnd, pathOf, toRbeeError } from '@rbee/contract';
import { FollowError } from '@rbee/event-stream';
import { CancelRequest, type Job, narrate } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import type { HiveStream } from '../hives/follow-hive.ts';
import type { Fleet } from '../placement/choice.ts';
import type { Relay } from '../relay/relay.ts';
import { downloadsAt, type Leg, unreachableReceipts } from './leg.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

/** How long after a cancel the hive's job stream may take to end. */
const CANCELLED_WITHIN_MS = 2_000;
/** A list of models comes as one event. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

export interface PerformLegDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'cancelJob'>;
  readonly relay: Pick<Relay, 'notice'>;
  readonly undeliveredCancels: UndeliveredCancels;
  /** Follows a stream of a hive to its end, wherever the hive is. */
  readonly follow: (stream: HiveStream) => Promise<void>;
}

/** Follows one hive's leg of a job to its end, and cancels it there when the job is cancelled. */
export async function performLeg(deps: PerformLegDeps, job: Job, leg: Leg): Promise<JobEnd> {
  if (leg.refusal !== null) {
    narrate('hive_refused', `❌ ${leg.hiveId}: ${leg.refusal.message}`, 'error');
    return { state: 'failed', message: leg.refusal.message };
  }
  const following = new AbortController();
  const onAbort = () => void cancelLeg(deps, job, leg, following);
  if (job.signal.aborted) onAbort();
  else job.signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await followLeg(deps, job, leg, following.signal);
  } finally {
    job.signal.removeEventListener('abort', onAbort);
  }
}

/** Cancels the job at the hive, and stops following if its stream does not end soon. A stopping queen cancels nothing. */
async function cancelLeg(deps: PerformLegDeps, job: Job, leg: Leg, following: AbortController): Promise<void> {
  const { reason } = job.signal;
  const { hiveId } = leg;
  if (!(reason instanceof CancelRequest)) return following.abort(reason);
  try {
    leg.receipts = (await deps.client.cancelJob(deps.fleet.get(hiveId), job.id, reason.partial)).downloads;
    setTimeout(() => following.abort(reason), CANCELLED_WITHIN_MS).unref();
  } catch (error) {
    const { message } = toRbeeError(error);
    deps.undeliveredCancels.add({ job_id: job.id, hive_id: hiveId, partial: reason.partial });
    const later = 'the cancel is sent when it is back';
    narrate('cancel_undelivered', `⚠️ ${hiveId} could not be reached to cancel; ${later}: ${message}`, 'warn');
    for (const { download_id } of downloadsAt(job, hiveId))
      deps.relay.notice(download_id, 'CANCEL_PENDING', `the hive ${hiveId} could not be reached to cancel; ${later}`);
    leg.receipts = unreachableReceipts(job, hiveId);
    following.abort(reason);
  }
}

async function followLeg(deps: PerformLegDeps, job: Job, { hiveId }: Leg, signal: AbortSignal): Promise<JobEnd> {
  let end: JobEnd | null = null;
  try {
    await deps.follow({
      hiveId,
      path: pathOf(hiveRoutes.streamJob, { id: job.id }),
      events: JOB_EVENT_NAMES,
      signal,
      maxEventChars: MAX_EVENT_CHARS,
      isTerminal: ({ event }) => event === 'message',
      onEvent: ({ event, data }) => {
        const name = JOB_EVENT_NAMES.find((known) => known === event);
        if (name) job.relay(name, data);
        else end = parseJobEnd(data);
      },
    });
  } catch (error) {
    if (signal.aborted) return { state: 'cancelled' };
    const gone = error instanceof FollowError && error.status === 404;
    const why = gone ? 'no longer knows this job' : 'rejects the stream of this job';
    return { state: 'failed', message: `the hive ${hiveId} ${why}` };
  }
  return end ?? { state: 'failed', message: `the hive ${hiveId} ended its stream without a result` };
}
