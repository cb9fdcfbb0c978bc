import {
  type CancelledJob,
  type Download,
  type DownloadId,
  type Hive,
  type JobAccepted,
  type JobId,
  newJobId,
  type Operation,
  type PartialChoice,
  type QueenOperation,
  RbeeError,
  redactModelRef,
  toRbeeError,
  wantedModel,
} from '@rbee/contract';
import { CancelRequest, type Job, type JobRegistry, narrate } from '@rbee/jobs';
import type { HiveClient } from '../hives/client.ts';
import type { Choice } from '../placement/choice.ts';
import type { Relay } from '../relay/relay.ts';
import type { KeptRoute } from '../state/saved-rows.ts';
import type { KeptJob, QueenState } from '../state/state.ts';
import { endedReceipts } from './ended-receipts.ts';
import { handOver, handToFirst } from './hand-over.ts';
import { IdempotentRequests, idConflict, requestDigest } from './idempotent-requests.ts';
import {
  acceptedBy,
  downloadsAt,
  errorOf,
  failureOf,
  type HandOver,
  type Leg,
  legsOf,
  receiptsFor,
  toAccepted,
} from './leg.ts';
import { type PerformLegDeps, pendingCancelText, performLeg } from './perform-leg.ts';
import { type Start, Starts } from './start.ts';

export interface RoutedJobsDeps extends Omit<PerformLegDeps, 'client' | 'relay' | 'onOpen'> {
  readonly registry: JobRegistry;
  readonly client: HiveClient;
  readonly relay: Relay;
  readonly state: Pick<QueenState, 'atomically' | 'keepRoute'>;
  readonly log: { warn(fields: object, message: string): void };
  /** Chooses the hives for an operation. @throws RbeeError of the choice */
  readonly choose: (body: QueenOperation) => Promise<Choice>;
}

/** How a job is routed, without its hives. */
type RouteFacts = Omit<KeptRoute, 'legs'>;

/** A job that does not exist yet. */
interface NewJob {
  readonly id: JobId;
  readonly request: string;
  readonly start: Start;
}

/** What is handed to which hives. */
interface Handing {
  readonly operation: Operation;
  readonly route: RouteFacts;
  readonly choice: Choice;
  readonly start: Start;
}

/** The choice of a job that is cancelled before there is one. */
const NO_HIVE: Choice = { hives: [], reason: 'named', why: 'cancelled before a hive was chosen' };

/** Jobs of the queen: each is handed to one hive or several, under one id. */
export class RoutedJobs {
  readonly #deps: RoutedJobsDeps;
  readonly #legs = new WeakMap<Job, readonly Leg[]>();
  readonly #requests = new IdempotentRequests();
  readonly #starts = new Starts();

  constructor(deps: RoutedJobsDeps) {
    this.#deps = deps;
  }

  /**
   * Chooses the hives and hands them the operation. Resolves when they have responded.
   * @throws RbeeError of the choice, or of the hive when none accepts; STATE_UNAVAILABLE when a download cannot be saved
   */
  start(body: QueenOperation): Promise<JobAccepted> {
    const id = body.job_id ?? newJobId();
    const request = requestDigest(body);
    return this.#requests.run(id, request, () => {
      if (this.#deps.registry.find(id)) throw idConflict(id);
      return this.#starts.run(id, (start) => this.#start(body, { id, request, start }));
    });
  }

  async #start(body: QueenOperation, { id, request, start }: NewJob): Promise<JobAccepted> {
    // Before a hive gets it: what it has started cannot be rejected any more.
    if (body.operation === 'model_download') this.#deps.relay.assertCapacity();
    const release = this.#deps.registry.reserve();
    try {
      const { hive_id, ...rest } = body;
      const operation = { ...rest, job_id: id };
      const choice = (await start.unlessCancelled(this.#deps.choose(body))) ?? NO_HIVE;
      const many = hive_id === '*' || (Array.isArray(hive_id) && hive_id.length > 1);
      const route = { request, many, why: choice.why };
      release();
      const job = await this.#create(operation, route, choice);
      await this.#handToHives(job, { operation, route, choice, start });
      return toAccepted(job, many);
    } finally {
      release();
    }
  }

  /** A job on disk, before any hive is asked: whatever happens then, its id is known. */
  async #create(operation: Operation & { job_id: JobId }, route: RouteFacts, { hives }: Choice): Promise<Job> {
    const { registry, state } = this.#deps;
    const model = 'model' in operation ? redactModelRef(wantedModel(operation).ref) : null;
    const create = () => {
      const job = registry.create({ operation: operation.operation, model }, operation.job_id);
      state.keepRoute(job.id, { ...route, legs: hives.map(({ hive_id }) => ({ hive_id, refusal: null })) });
      return job;
    };
    // Only a download outlives its request.
    if (operation.operation !== 'model_download') return create();
    try {
      return await state.atomically(create);
    } catch (error) {
      const job = registry.find(operation.job_id);
      if (job) registry.undo(job);
      throw error;
    }
  }

  /** @throws RbeeError of the hive when none accepts; then the job is gone */
  async #handToHives(job: Job, { operation, route, choice, start }: Handing): Promise<void> {
    const { registry } = this.#deps;
    const responses = start.cancelled === null ? await this.#ask(job, { operation, route, choice, start }) : [];
    const refusals = responses.flatMap(({ leg }) => leg.refusal ?? []);
    if (start.cancelled === null && refusals[0] && refusals.length === responses.length) {
      registry.undo(job);
      throw errorOf(refusals[0]);
    }
    this.#run(job, routeOf(route, choice, responses), responses, start.cancelled);
  }

  #ask(job: Job, { operation, route, choice, start }: Handing): Promise<readonly HandOver[]> {
    const { signal } = start;
    const [best] = choice.hives;
    if (choice.others === undefined || best === undefined)
      return Promise.all(choice.hives.map((hive) => handOver(this.#deps, job, { hive, operation, signal })));
    return handToFirst(this.#deps, job, {
      hives: [best, ...choice.others],
      operation,
      signal,
      isCancelled: () => start.cancelled !== null,
      // A queen that is killed now asks this hive for the job when it starts again.
      onNext: ({ hive_id }) => this.#deps.state.keepRoute(job.id, { ...route, legs: [{ hive_id, refusal: null }] }),
    });
  }

  /**
   * Lets the hive of an ended download retry it, as a new job of both.
   * @throws RbeeError of the hive
   */
  async retry(hive: Hive, download: Download): Promise<JobAccepted> {
    const { registry, relay } = this.#deps;
    relay.assertCapacity();
    const release = registry.reserve();
    try {
      const accepted = await this.#deps.client.retryDownload(hive, download.download_id);
      const route = { request: '', many: false, why: 'has what was downloaded before' };
      release();
      const job = registry.create({ operation: 'model_download', model: download.model_ref }, accepted.job_id);
      this.#run(job, route, [acceptedBy(hive.hive_id, accepted)]);
      return toAccepted(job, false);
    } finally {
      release();
    }
  }

  /**
   * Restores the jobs of a previous run: the ended ones are remembered, the others are followed again at their hives,
   * which have continued meanwhile.
   */
  resume(kept: readonly KeptJob[]): void {
    for (const { snapshot, route } of kept) {
      const job = this.#deps.registry.restore(snapshot);
      const legs = legsOf(job, route);
      this.#legs.set(job, legs);
      if (route !== null && route.request !== '')
        this.#requests.remember(job.id, route.request, Promise.resolve(toAccepted(job, route.many)));
      if (job.ended) continue;
      this.#deps.registry.run(job, async () => {
        if (legs.length === 0)
          throw new RbeeError('HIVE_UNAVAILABLE', 'the queen was stopped before a hive got the job', {
            hint: 'send the request again',
          });
        const hives = legs.map(({ hiveId }) => hiveId).join(', ');
        narrate('job_resumed', `🔄 the queen was restarted and follows the job again at ${hives}`);
        await this.#perform(job, legs);
      });
    }
  }

  /**
   * Cancels a job at its hives and returns a receipt for each download; for an ended job, the state of its downloads. A
   * job that is on its way to its hives is cancelled as soon as they have responded.
   * @throws RbeeError JOB_NOT_FOUND, also when no hive accepted it
   */
  async cancel(id: JobId, partial: PartialChoice): Promise<CancelledJob> {
    const { registry } = this.#deps;
    const start = this.#starts.get(id);
    start?.cancel(partial);
    await start?.over;
    const wasEnded = start === undefined && registry.get(id).ended;
    const job = await registry.cancel(id, partial);
    const legs = this.#legs.get(job) ?? [];
    const downloads = wasEnded ? await endedReceipts(this.#deps, job, legs) : legs.flatMap((leg) => leg.receipts);
    return { job_id: job.id, status: job.state, downloads };
  }

  /**
   * Ends every job's wait for a download whose hive cannot be reached, as cancelled; returns how many jobs there are. Their
   * downloads at other hives continue.
   */
  async leaveDownload(id: DownloadId, hiveId: string): Promise<number> {
    const waiting = this.#deps.registry
      .list()
      .filter(({ ended_at, downloads }) => ended_at === null && downloads.some(({ download_id }) => download_id === id))
      .map(({ job_id }) => this.#deps.registry.get(job_id));
    const leave = async (job: Job) => {
      const legs = this.#legs.get(job) ?? [];
      const leg = legs.find((each) => each.hiveId === hiveId);
      if (leg === undefined || leg.following.signal.aborted) return false;
      job.onLine({ action: 'cancel_undelivered', human: `⚠️ ${pendingCancelText(hiveId)}`, level: 'warn' });
      leg.receipts = receiptsFor(job, hiveId, 'unreachable');
      leg.following.abort(new CancelRequest('keep'));
      if (legs.length === 1) await job.settled;
      return true;
    };
    return (await Promise.all(waiting.map(leave))).filter(Boolean).length;
  }

  /** Runs a job that hives have accepted. Nothing here may fail: they are at work. */
  #run(job: Job, route: RouteFacts, responses: readonly HandOver[], cancelled: CancelRequest | null = null): void {
    const legs = responses.map(({ leg }) => leg);
    this.#legs.set(job, legs);
    for (const { leg, accepted } of responses)
      if (accepted?.download_id !== undefined) this.#adopt(job, leg.hiveId, accepted.download_id);
    const kept = legs.map(({ hiveId, refusal }) => ({ hive_id: hiveId, refusal }));
    this.#deps.state.keepRoute(job.id, { ...route, legs: kept });
    if (cancelled !== null) job.abort(cancelled);
    this.#deps.registry.run(job, async () => {
      if (legs.length > 0) narrate('hive_chosen', `🐝 ${legs.map(({ hiveId }) => hiveId).join(', ')}: ${route.why}`);
      await this.#perform(job, legs);
    });
  }

  #adopt(job: Job, hiveId: string, download_id: DownloadId): void {
    // If others have used up the capacity meanwhile it continues unfollowed, until a heartbeat reports it again.
    if (!this.#deps.relay.isFull) this.#deps.relay.open(hiveId, download_id);
    job.addDownload({ hive_id: hiveId, download_id, download_sse_url: `/v1/downloads/${download_id}/stream` });
  }

  /** A queen that was killed between a hive's response and its own does not know the download. */
  async #findDownload(job: Job, hiveId: string): Promise<void> {
    const { client, fleet, log } = this.#deps;
    const isKnown = () => downloadsAt(job, hiveId).length > 0;
    if (job.request.operation !== 'model_download' || isKnown()) return;
    try {
      const { downloads } = await client.getJob(fleet.get(hiveId), job.id);
      if (!isKnown()) for (const { download_id } of downloads) this.#adopt(job, hiveId, download_id);
    } catch (error) {
      log.warn({ hiveId, jobId: job.id, message: toRbeeError(error).message }, 'cannot find the download of a job');
    }
  }

  async #perform(job: Job, legs: readonly Leg[]): Promise<void> {
    // Cancelled before a hive was chosen.
    if (legs.length === 0) job.signal.throwIfAborted();
    const onOpen = (_: Job, hiveId: string) => void this.#findDownload(job, hiveId);
    const ends = await Promise.all(legs.map((leg) => performLeg({ ...this.#deps, onOpen }, job, leg)));
    if (ends.every((end) => end.state === 'completed')) return;
    job.signal.throwIfAborted();
    const failed = ends.find((end) => end.state === 'failed');
    if (failed) throw failed.failure === null ? failureOf(failed.message, legs) : errorOf(failed.failure);
    // The job was cancelled at the hive itself: this one ends in the same way.
    job.abort(new CancelRequest('keep'));
    job.signal.throwIfAborted();
  }
}

/** Why this hive, where it is not the one that was chosen. */
function routeOf(route: RouteFacts, { hives: [best] }: Choice, responses: readonly HandOver[]): RouteFacts {
  const [only] = responses;
  if (responses.length !== 1 || only === undefined || best === undefined) return route;
  if (only.leg.hiveId === best.hive_id || only.leg.refusal !== null) return route;
  return { ...route, why: `${best.hive_id} did not take the job` };
}
