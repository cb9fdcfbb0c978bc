import {
  type CancelledJob,
  type CancelReceipt,
  type Download,
  type Hive,
  type JobAccepted,
  type JobDownload,
  type JobId,
  type Job as JobSnapshot,
  newJobId,
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
import type { KeptRoute, QueenState } from '../state/state.ts';
import { IdempotentRequests, idConflict, requestDigest } from './idempotent-requests.ts';
import { acceptedBy, errorOf, type HandOver, type Leg, refusedBy, toAccepted } from './leg.ts';
import { type PerformLegDeps, performLeg } from './perform-leg.ts';

export interface RoutedJobsDeps extends Omit<PerformLegDeps, 'client' | 'relay'> {
  readonly registry: JobRegistry;
  readonly client: HiveClient;
  readonly relay: Relay;
  readonly state: Pick<QueenState, 'keepRoute'>;
  /** Chooses the hives for an operation. @throws RbeeError of the choice */
  readonly choose: (body: QueenOperation) => Promise<Choice>;
}

/** How a job is routed: the kept facts, and its legs. */
interface Route extends Pick<KeptRoute, 'request' | 'many' | 'why'> {
  readonly legs: readonly Leg[];
}

/** Jobs of the queen: each is handed to one hive or several, under one id. */
export class RoutedJobs {
  readonly #deps: RoutedJobsDeps;
  readonly #legs = new WeakMap<Job, readonly Leg[]>();
  readonly #requests = new IdempotentRequests();

  constructor(deps: RoutedJobsDeps) {
    this.#deps = deps;
  }

  /**
   * Chooses the hives and hands them the operation. Resolves when they have responded.
   * @throws RbeeError of the choice, or of the hive when none accepts
   */
  start(body: QueenOperation): Promise<JobAccepted> {
    const id = body.job_id ?? newJobId();
    const request = requestDigest(body);
    return this.#requests.run(id, request, () => {
      if (this.#deps.registry.find(id)) throw idConflict(id);
      return this.#start(body, id, request);
    });
  }

  async #start(body: QueenOperation, id: JobId, request: string): Promise<JobAccepted> {
    // Before a hive gets it: what it has started cannot be rejected any more.
    if (body.operation === 'model_download') this.#deps.relay.assertCapacity();
    const release = this.#deps.registry.reserve();
    try {
      return await this.#handToHives(body, id, request, release);
    } finally {
      release();
    }
  }

  async #handToHives(body: QueenOperation, id: JobId, request: string, release: () => void): Promise<JobAccepted> {
    const { hive_id, ...rest } = body;
    const operation = { ...rest, job_id: id };
    const model = 'model' in operation ? redactModelRef(wantedModel(operation).ref) : null;
    const choice = await this.#deps.choose(body);
    const responses = await Promise.all(choice.hives.map((hive) => this.#handOver(hive, operation)));
    const refusals = responses.flatMap(({ leg }) => leg.refusal ?? []);
    if (refusals.length === responses.length && refusals[0]) throw errorOf(refusals[0]);

    const many = hive_id === '*' || (Array.isArray(hive_id) && hive_id.length > 1);
    const asJob = { operation: operation.operation, model };
    release();
    return toAccepted(this.#create(id, asJob, { request, many, why: choice.why }, responses), many);
  }

  /**
   * Lets the hive of an ended download retry it, as a new job of both.
   * @throws RbeeError of the hive
   */
  async retry(hive: Hive, download: Download): Promise<JobAccepted> {
    this.#deps.relay.assertCapacity();
    const release = this.#deps.registry.reserve();
    try {
      const accepted = await this.#deps.client.retryDownload(hive, download.download_id);
      const asJob = { operation: 'model_download', model: download.model_ref };
      const route = { request: '', many: false, why: 'has what was downloaded before' };
      release();
      return toAccepted(this.#create(accepted.job_id, asJob, route, [acceptedBy(hive.hive_id, accepted)]), false);
    } finally {
      release();
    }
  }

  /**
   * Restores the jobs of a previous run: the ended ones are remembered, the others are followed again at their hives,
   * which have continued meanwhile.
   */
  resume(kept: readonly { readonly snapshot: JobSnapshot; readonly route: KeptRoute | null }[]): void {
    for (const { snapshot, route } of kept) {
      const job = this.#deps.registry.restore(snapshot);
      const legs = (route?.legs ?? []).map(({ hive_id, refusal }): Leg => ({ hiveId: hive_id, refusal, receipts: [] }));
      this.#legs.set(job, legs);
      if (route !== null && route.request !== '')
        this.#requests.remember(job.id, route.request, Promise.resolve(toAccepted(job, route.many)));
      if (job.ended) continue;
      this.#deps.registry.run(job, async () => {
        if (route === null) throw new RbeeError('HIVE_UNAVAILABLE', 'the queen was killed before a hive got the job');
        narrate('job_resumed', '🔄 the queen was restarted and follows the job again');
        await this.#perform(job, { ...route, legs });
      });
    }
  }

  /** Cancels a job at its hives and returns a receipt for each download; for an ended job, the state of its downloads. */
  async cancel(id: JobId, partial: PartialChoice): Promise<CancelledJob> {
    const { registry } = this.#deps;
    const wasEnded = registry.get(id).ended;
    const job = await registry.cancel(id, partial);
    const legs = this.#legs.get(job) ?? [];
    const downloads = wasEnded ? await this.#endedReceipts(job, legs) : legs.flatMap((leg) => leg.receipts);
    return { job_id: job.id, status: job.state, downloads };
  }

  async #endedReceipts(job: Job, legs: readonly Leg[]): Promise<CancelReceipt[]> {
    const late = await Promise.all(legs.map(({ hiveId }) => this.#deps.undeliveredCancels.deliver(job.id, hiveId)));
    const delivered = late.flatMap((receipts) => receipts ?? []);
    const others = job.downloads.filter(
      ({ download_id }) => !delivered.some((receipt) => receipt.download_id === download_id),
    );
    return [...delivered, ...(await Promise.all(others.map((download) => this.#endedReceipt(job, download))))];
  }

  async #endedReceipt(job: Job, { hive_id, download_id }: JobDownload): Promise<CancelReceipt> {
    const { client, fleet, undeliveredCancels } = this.#deps;
    const nothing = { hive_id, download_id, partial: null, bytes: 0 };
    if (undeliveredCancels.has(job.id, hive_id)) return { ...nothing, state: 'unreachable' };
    try {
      const { partial, bytes } = await client.getDownload(fleet.get(hive_id), download_id);
      return { hive_id, download_id, state: 'ended', partial, bytes };
    } catch (error) {
      const { code } = toRbeeError(error);
      return { ...nothing, state: code === 'DOWNLOAD_NOT_FOUND' ? 'ended' : 'unreachable' };
    }
  }

  #create(
    id: JobId,
    asJob: Job['request'],
    kept: Pick<KeptRoute, 'request' | 'many' | 'why'>,
    responses: readonly HandOver[],
  ): Job {
    const { registry, state } = this.#deps;
    const job = registry.create(asJob, id);
    const legs = responses.map(({ leg }) => leg);
    this.#legs.set(job, legs);
    state.keepRoute(id, { ...kept, legs: legs.map(({ hiveId, refusal }) => ({ hive_id: hiveId, refusal })) });
    for (const response of responses) this.#adopt(job, response);
    registry.run(job, () => this.#perform(job, { ...kept, legs }));
    return job;
  }

  async #handOver(hive: Hive, operation: Parameters<HiveClient['createJob']>[1]): Promise<HandOver> {
    try {
      return acceptedBy(hive.hive_id, await this.#deps.client.createJob(hive, operation));
    } catch (error) {
      return refusedBy(hive.hive_id, toRbeeError(error));
    }
  }

  #adopt(job: Job, { leg, accepted }: HandOver): void {
    const download_id = accepted?.download_id;
    if (download_id === undefined) return;
    // If others have used up the capacity meanwhile it continues unfollowed, until a heartbeat reports it again.
    if (!this.#deps.relay.isFull) this.#deps.relay.open(leg.hiveId, download_id);
    job.addDownload({ hive_id: leg.hiveId, download_id, download_sse_url: `/v1/downloads/${download_id}/stream` });
  }

  async #perform(job: Job, { why, legs }: Route): Promise<void> {
    narrate('hive_chosen', `🐝 ${legs.map(({ hiveId }) => hiveId).join(', ')}: ${why}`);
    const ends = await Promise.all(legs.map((leg) => performLeg(this.#deps, job, leg)));
    if (ends.every((end) => end.state === 'completed')) return;
    job.signal.throwIfAborted();
    const failed = ends.find((end) => end.state === 'failed');
    if (failed) throw failureOf(failed.message, legs);
    // The job was cancelled at the hive itself: this one ends in the same way.
    job.abort(new CancelRequest('keep'));
    job.signal.throwIfAborted();
  }
}

function failureOf(message: string, legs: readonly Leg[]): RbeeError {
  const refusal = legs.map((leg) => leg.refusal).find((known) => known !== null);
  return refusal ? errorOf(refusal) : new RbeeError('DOWNLOAD_FAILED', message);
}
