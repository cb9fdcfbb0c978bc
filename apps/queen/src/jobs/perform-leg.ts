import {
  type CancelReceipt,
  type Failure,
  JOB_EVENT_NAMES,
  type JobEnd,
  type JobId,
  parseJobEnd,
  RbeeError,
  toRbeeError,
} from '@rbee/contract';
import { CancelRequest, type Job, narrate } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import { createDropLog } from '../hives/drop-log.ts';
import { ForgottenError, type HiveStream } from '../hives/follow-hive.ts';
import { type HiveWordDeps, hasForgotten } from '../hives/hive-word.ts';
import type { Fleet } from '../placement/choice.ts';
import type { Relay } from '../relay/relay.ts';
import { problemOf } from './job-event.ts';
import { downloadsAt, type Leg, receiptsFor } from './leg.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

/** How long after a cancel the hive's job stream may take to end. */
const CANCELLED_WITHIN_MS = 2_000;
/** A list of models comes as one event. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

export interface PerformLegDeps {
  readonly fleet: Fleet;
  readonly client: HiveWordDeps['client'] & Pick<HiveClient, 'cancelJob'>;
  readonly relay: Pick<Relay, 'notice'>;
  readonly undeliveredCancels: UndeliveredCancels;
  /** Follows a stream of a hive to its end, wherever the hive is. */
  readonly follow: (stream: HiveStream) => Promise<void>;
  readonly log: { warn(fields: object, message: string): void };
  /** Called when the stream of the job at a hive is open. */
  readonly onOpen: (job: Job, hiveId: string) => void;
}

/** How a leg ended; `failure` is what the hive says about it. */
export type LegEnd =
  | Exclude<JobEnd, { readonly state: 'failed' }>
  | { readonly state: 'failed'; readonly message: string; readonly failure: Failure | null };

/** Follows one hive's leg of a job to its end, and cancels it there when the job is cancelled. */
export async function performLeg(deps: PerformLegDeps, job: Job, leg: Leg): Promise<LegEnd> {
  if (leg.refusal !== null) {
    narrate('hive_refused', `❌ ${leg.hiveId}: ${leg.refusal.message}`, 'error');
    return { state: 'failed', message: leg.refusal.message, failure: leg.refusal };
  }
  let cancelling: Promise<void> | null = null;
  const onAbort = () => {
    cancelling = cancelLeg(deps, job, leg);
  };
  if (job.signal.aborted) onAbort();
  else job.signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await followLeg(deps, job, leg);
  } finally {
    job.signal.removeEventListener('abort', onAbort);
    // The stream may end before the response to the cancel, which has the receipts.
    await cancelling;
  }
}

/** Cancels the job at the hive, and stops following if its stream does not end soon. A stopping queen cancels nothing. */
async function cancelLeg(deps: PerformLegDeps, job: Job, leg: Leg): Promise<void> {
  const { following } = leg;
  const { reason } = job.signal;
  if (!(reason instanceof CancelRequest)) return following.abort(reason);
  try {
    leg.receipts = await receiptsOf(deps, job, leg.hiveId, reason);
    setTimeout(() => following.abort(reason), CANCELLED_WITHIN_MS).unref();
  } catch (error) {
    keepCancel(deps, job, leg, toRbeeError(error).message);
    following.abort(reason);
  }
}

/** @throws Error when the cancel did not reach the hive */
async function receiptsOf(
  deps: PerformLegDeps,
  job: Job,
  hiveId: string,
  { partial }: CancelRequest,
): Promise<CancelReceipt[]> {
  const hive = deps.fleet.get(hiveId);
  // A person waits for the response, and a hive that has no heartbeat has no response either.
  if (!hive.online) throw new RbeeError('HIVE_UNAVAILABLE', 'it is offline');
  try {
    return (await deps.client.cancelJob(hive, job.id, partial)).downloads;
  } catch (error) {
    if (toRbeeError(error).code !== 'JOB_NOT_FOUND' || !(await hasForgotten(deps, hiveId, { job: job.id })))
      throw error;
    return receiptsFor(job, hiveId, 'ended');
  }
}

/** What readers hear of a cancel that waits for its hive. */
export function pendingCancelText(hiveId: string): string {
  return `${hiveId} could not be reached to cancel; the cancel is sent when it is back`;
}

function keepCancel(deps: PerformLegDeps, job: Job, leg: Leg, message: string): void {
  const { hiveId } = leg;
  const { partial } = job.signal.reason as CancelRequest;
  deps.undeliveredCancels.add({ id: job.id, hive_id: hiveId, partial });
  narrate('cancel_undelivered', `⚠️ ${pendingCancelText(hiveId)}: ${message}`, 'warn');
  for (const { download_id } of downloadsAt(job, hiveId))
    deps.relay.notice(download_id, 'CANCEL_PENDING', `the hive ${pendingCancelText(hiveId)}`);
  leg.receipts = receiptsFor(job, hiveId, 'unreachable');
}

async function followLeg(deps: PerformLegDeps, job: Job, { hiveId, following: { signal } }: Leg): Promise<LegEnd> {
  let end: JobEnd | null = null;
  const drops = createDropLog(deps.log, { hiveId, jobId: job.id }, 'an event of a job was dropped');
  try {
    await deps.follow({
      hiveId,
      subject: { job: job.id },
      mayBeRejected: job.request.operation !== 'model_download',
      events: JOB_EVENT_NAMES,
      signal,
      maxEventChars: MAX_EVENT_CHARS,
      isTerminal: ({ event }) => event === 'message',
      onConnection: ({ state }) => {
        if (state === 'open') deps.onOpen(job, hiveId);
      },
      onEvent: ({ event, data }) => {
        const name = JOB_EVENT_NAMES.find((known) => known === event);
        if (name === undefined) end = parseJobEnd(data);
        else {
          const problem = problemOf(job.id, name, data);
          if (problem === null) job.relay(name, data);
          else drops.dropped(problem);
        }
      },
    });
  } catch (error) {
    if (signal.aborted) return { state: 'cancelled' };
    return { state: 'failed', message: `the hive ${hiveId} ${reasonOf(error)}`, failure: null };
  }
  const result = end ?? noResult(hiveId);
  return result.state === 'failed' ? { ...result, failure: await failureAt(deps, hiveId, job.id) } : result;
}

function noResult(hiveId: string): JobEnd {
  return { state: 'failed', message: `the hive ${hiveId} ended its stream without a result` };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof ForgottenError)) return 'rejects the stream of this job';
  return error.isHiveGone ? 'was removed' : 'no longer knows this job';
}

/** The stream has only the message of a failure; the code, the hint and the details are in the job. */
async function failureAt({ client, fleet }: PerformLegDeps, hiveId: string, id: JobId): Promise<Failure | null> {
  try {
    return (await client.getJob(fleet.get(hiveId), id)).error;
  } catch {
    return null;
  }
}
