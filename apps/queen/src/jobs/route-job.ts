import {
  type CancelledJob,
  type CancelReceipt,
  type Download,
  type Hive,
  hiveRoutes,
  JOB_EVENT_NAMES,
  type JobAccepted,
  type JobDownload,
  type JobEnd,
  type JobId,
  newJobId,
  type PartialChoice,
  parseJobEnd,
  parseModelRef,
  pathOf,
  printModelRef,
  type QueenOperation,
  RbeeError,
  toRbeeError,
} from '@rbee/contract';
import { FollowError, follow } from '@rbee/event-stream';
import { CancelRequest, type Job, type JobRegistry, narrate } from '@rbee/jobs';
import type { Dispatcher } from 'undici';
import type { HiveClient } from '../hives/client.ts';
import { allOnline, type Choice, chooseHives, type Fleet } from '../placement/choose-hive.ts';
import type { Relay } from '../relay/relay.ts';

/** How long after its cancel a hive's job stream may take to say so. */
const CANCELLED_WITHIN_MS = 2_000;
/** Requests that are remembered, so that one sent twice starts one job; as many as the registry remembers jobs. */
const ASKED_LIMIT = 1_000;
/** A list of models comes as one event. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

export interface RouteJobDeps {
  readonly registry: JobRegistry;
  readonly fleet: Fleet;
  readonly client: HiveClient;
  readonly relay: Relay;
  readonly dispatcher: Dispatcher;
}

/** The part of a job that one hive performs. */
interface Leg {
  readonly hive: Hive;
  /** The hive's answer, or why it does not take part. */
  readonly accepted: JobAccepted | RbeeError;
  receipts: CancelReceipt[];
}

/** Jobs of the queen: each is passed on to one hive or several, under one id. */
export class RoutedJobs {
  readonly #deps: RouteJobDeps;
  readonly #legs = new WeakMap<Job, readonly Leg[]>();
  /** What was asked for under an id, and its answer: known before the first hive has been asked. */
  readonly #asked = new Map<JobId, { readonly request: string; readonly answer: Promise<JobAccepted> }>();

  constructor(deps: RouteJobDeps) {
    this.#deps = deps;
  }

  /**
   * Chooses the hives and hands them the operation. Answers when they have taken it.
   * @throws RbeeError of the choice, or of the hive when none takes it
   */
  start(body: QueenOperation): Promise<JobAccepted> {
    const id = body.job_id ?? newJobId();
    const request = JSON.stringify(Object.entries(body).sort());
    const earlier = this.#asked.get(id);
    if (earlier?.request === request) return earlier.answer;
    // An id that a retry gave, or whose request is no longer remembered: no hive may be asked under it.
    if (earlier || this.#deps.registry.find(id)) {
      throw new RbeeError('STATUS_CONFLICT', `the job ${id} was asked for with something else`);
    }
    const answer = this.#start(body, id);
    this.#asked.set(id, { request, answer });
    this.#forgetOldest();
    // What was refused is not remembered: nothing was started under the id.
    answer.catch(() => this.#asked.delete(id));
    return answer;
  }

  #forgetOldest(): void {
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > ASKED_LIMIT && oldest) this.#asked.delete(oldest);
  }

  async #start(body: QueenOperation, id: JobId): Promise<JobAccepted> {
    const { hive_id, ...asked } = body;
    const operation = { ...asked, job_id: id };
    const model = operation.operation === 'model_download' ? printModelRef(parseModelRef(operation.model)) : null;
    const choice = this.#choose(operation.operation, hive_id);
    const legs = await Promise.all(choice.hives.map((hive) => this.#handOver(hive, operation)));
    const refusals = legs.map((leg) => leg.accepted).filter((accepted) => accepted instanceof RbeeError);
    if (refusals.length === legs.length && refusals[0]) throw refusals[0];

    return toAccepted(this.#run(id, { operation: operation.operation, model }, choice, legs), hive_id);
  }

  /**
   * Lets the hive of an ended download try it again, as a new job of both.
   * @throws RbeeError of the hive
   */
  async retry(hive: Hive, download: Download): Promise<JobAccepted> {
    const accepted = await this.#deps.client.retryDownload(hive, download.download_id);
    const choice = { hives: [hive], why: 'it has what was fetched before' };
    const request = { operation: 'model_download', model: download.model_ref };
    return toAccepted(this.#run(accepted.job_id, request, choice, [{ hive, accepted, receipts: [] }]), undefined);
  }

  /** Cancels a job at its hives, and says what that did at each; after its end, what had become of its downloads. */
  async cancel(id: JobId, partial: PartialChoice): Promise<CancelledJob> {
    const { registry } = this.#deps;
    const wasEnded = registry.get(id).ended;
    const job = await registry.cancel(id, partial);
    const legs = this.#legs.get(job) ?? [];
    const downloads = wasEnded
      ? await Promise.all(job.downloads.map((download) => this.#endedReceipt(legs, download)))
      : legs.flatMap((leg) => leg.receipts);
    return { job_id: job.id, status: job.state, downloads };
  }

  async #endedReceipt(legs: readonly Leg[], { hive_id, download_id }: JobDownload): Promise<CancelReceipt> {
    const nothing = { hive_id, download_id, partial: null, bytes: 0 };
    const hive = legs.find((leg) => leg.hive.hive_id === hive_id)?.hive;
    try {
      if (!hive) return { ...nothing, state: 'unreachable' };
      const { partial, bytes } = await this.#deps.client.getDownload(hive, download_id);
      return { hive_id, download_id, state: 'ended', partial, bytes };
    } catch (error) {
      const { code } = toRbeeError(error);
      return { ...nothing, state: code === 'HIVE_UNAVAILABLE' ? 'unreachable' : 'ended' };
    }
  }

  #run(id: JobId, request: Job['request'], choice: Choice, legs: readonly Leg[]): Job {
    const job = this.#deps.registry.create(request, id);
    this.#legs.set(job, legs);
    for (const leg of legs) this.#adopt(job, leg);
    this.#deps.registry.run(job, () => this.#perform(job, choice, legs));
    return job;
  }

  #choose(operation: QueenOperation['operation'], wish: QueenOperation['hive_id']): Choice {
    const { fleet } = this.#deps;
    // A list of models without a wish is the list of the whole fleet.
    if (operation === 'model_list' && wish === undefined)
      return { hives: allOnline(fleet), why: 'all hives have models' };
    return chooseHives(fleet, wish);
  }

  async #handOver(hive: Hive, operation: Parameters<HiveClient['createJob']>[1]): Promise<Leg> {
    try {
      return { hive, accepted: await this.#deps.client.createJob(hive, operation), receipts: [] };
    } catch (error) {
      return { hive, accepted: toRbeeError(error), receipts: [] };
    }
  }

  #adopt(job: Job, { hive, accepted }: Leg): void {
    if (accepted instanceof RbeeError || accepted.download_id === undefined) return;
    const download_id = accepted.download_id;
    this.#deps.relay.open(hive, download_id);
    job.addDownload({ hive_id: hive.hive_id, download_id, download_sse_url: `/v1/downloads/${download_id}/stream` });
  }

  async #perform(job: Job, choice: Choice, legs: readonly Leg[]): Promise<void> {
    const names = choice.hives.map((hive) => hive.hive_id).join(', ');
    narrate('hive_chosen', `🐝 ${names}: ${choice.why}`);
    const ends = await Promise.all(legs.map((leg) => this.#performLeg(job, leg)));
    if (ends.every((end) => end.state === 'completed')) return;
    job.signal.throwIfAborted();
    const failed = ends.find((end) => end.state === 'failed');
    if (failed) throw failureOf(failed.message, legs);
    // Somebody cancelled the hive's job at the hive itself: this one ends as that one did.
    throw new RbeeError('STATUS_CONFLICT', 'the job was cancelled at the hive');
  }

  async #performLeg(job: Job, leg: Leg): Promise<JobEnd> {
    if (leg.accepted instanceof RbeeError) {
      narrate('hive_refused', `❌ ${leg.hive.hive_id}: ${leg.accepted.message}`, 'error');
      return { state: 'failed', message: leg.accepted.message };
    }
    const following = new AbortController();
    const onAbort = () => void this.#cancelLeg(job, leg, following);
    if (job.signal.aborted) onAbort();
    else job.signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#followLeg(job, leg, following.signal);
    } finally {
      job.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Tells the hive to stop, and stops listening when it does not say that it has. A queen that stops tells it nothing. */
  async #cancelLeg(job: Job, leg: Leg, following: AbortController): Promise<void> {
    const { reason } = job.signal;
    if (!(reason instanceof CancelRequest)) return following.abort(reason);
    try {
      leg.receipts = (await this.#deps.client.cancelJob(leg.hive, job.id, reason.partial)).downloads;
      setTimeout(() => following.abort(reason), CANCELLED_WITHIN_MS).unref();
    } catch (error) {
      const { message } = toRbeeError(error);
      narrate('cancel_undelivered', `⚠️ ${leg.hive.hive_id} could not be told to stop: ${message}`, 'warn');
      leg.receipts = unreachableReceipts(job, leg);
      following.abort(reason);
    }
  }

  async #followLeg(job: Job, leg: Leg, signal: AbortSignal): Promise<JobEnd> {
    const { client, dispatcher } = this.#deps;
    let end: JobEnd | null = null;
    try {
      await follow({
        url: `${leg.hive.hive_url}${pathOf(hiveRoutes.streamJob, { id: job.id })}`,
        events: JOB_EVENT_NAMES,
        dispatcher,
        headers: client.headers,
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
      const why = gone ? 'no longer knows this job' : 'refuses the stream of this job';
      return { state: 'failed', message: `the hive ${leg.hive.hive_id} ${why}` };
    }
    return end ?? { state: 'failed', message: `the hive ${leg.hive.hive_id} ended its stream without a word` };
  }
}

function unreachableReceipts(job: Job, leg: Leg): CancelReceipt[] {
  return job.downloads
    .filter(({ hive_id }) => hive_id === leg.hive.hive_id)
    .map(({ download_id, hive_id }) => ({ download_id, hive_id, state: 'unreachable', partial: null, bytes: 0 }));
}

function failureOf(message: string, legs: readonly Leg[]): RbeeError {
  const refusal = legs.map((leg) => leg.accepted).find((accepted) => accepted instanceof RbeeError);
  return refusal ?? new RbeeError('DOWNLOAD_FAILED', message);
}

/** With several hives wished for the downloads come as a list, however many took part. */
function toAccepted(job: Job, wish: QueenOperation['hive_id']): JobAccepted {
  const { sse_url } = job.snapshot();
  const [single] = job.downloads;
  const isMany = wish === '*' || (Array.isArray(wish) && wish.length > 1);
  if (isMany) return { job_id: job.id, sse_url, downloads: [...job.downloads] };
  if (!single) return { job_id: job.id, sse_url };
  return { job_id: job.id, sse_url, download_id: single.download_id, download_sse_url: single.download_sse_url };
}
