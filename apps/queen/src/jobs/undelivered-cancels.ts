import { type CancelReceipt, type JobId, type PartialChoice, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { type HiveWordDeps, isThere } from '../hives/hive-word.ts';
import type { Fleet } from '../placement/choice.ts';
import type { QueenState } from '../state/state.ts';

/** Maximum number of cancels that are kept, as many as remembered jobs; the oldest go first. */
const MAX_PENDING = 1_000;

/** A cancel that could not be delivered yet. */
interface Pending {
  readonly job_id: JobId;
  readonly hive_id: string;
  readonly partial: PartialChoice;
}

export interface UndeliveredCancelsDeps {
  readonly fleet: Fleet;
  readonly client: HiveWordDeps['client'] & Pick<HiveClient, 'cancelJob'>;
  readonly state: Pick<QueenState, 'cancels' | 'keepCancel' | 'forgetCancel'>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Cancels that did not reach their hive, kept until it is back, over restarts of both. */
export class UndeliveredCancels {
  readonly #deps: UndeliveredCancelsDeps;
  readonly #pending = new Map<string, Pending>();
  /** Deliveries in flight. */
  readonly #delivering = new Map<string, Promise<CancelReceipt[] | null>>();
  /** Hives that are getting their cancels, one after the other. */
  readonly #busyHives = new Set<string>();

  constructor(deps: UndeliveredCancelsDeps) {
    this.#deps = deps;
    for (const cancel of deps.state.cancels()) this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
  }

  add(cancel: Pending): void {
    this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
    this.#deps.state.keepCancel(cancel);
  }

  /** The job is wanted again. */
  forget(jobId: JobId, hiveId: string): void {
    const cancel = this.#pending.get(keyOf({ job_id: jobId, hive_id: hiveId }));
    if (cancel) this.#forget(cancel);
  }

  /** Cancels waiting for their hive. */
  get size(): number {
    return this.#pending.size;
  }

  has(jobId: JobId, hiveId: string): boolean {
    return this.#pending.has(keyOf({ job_id: jobId, hive_id: hiveId }));
  }

  /** Delivers all cancels of a hive that is back, until one fails again. */
  async deliverAll(hiveId: string): Promise<void> {
    if (this.#busyHives.has(hiveId)) return;
    this.#busyHives.add(hiveId);
    try {
      for (const cancel of [...this.#pending.values()].filter(({ hive_id }) => hive_id === hiveId)) {
        await this.deliver(cancel.job_id, hiveId);
        if (this.has(cancel.job_id, hiveId)) return;
      }
    } finally {
      this.#busyHives.delete(hiveId);
    }
  }

  /**
   * Tries once to deliver a cancel, to the hive that it is for and to no other daemon at its address: the receipts of the
   * hive, or null when it still cannot be delivered.
   */
  deliver(jobId: JobId, hiveId: string): Promise<CancelReceipt[] | null> {
    const key = keyOf({ job_id: jobId, hive_id: hiveId });
    const cancel = this.#pending.get(key);
    if (!cancel) return Promise.resolve(null);
    const inFlight = this.#delivering.get(key);
    if (inFlight) return inFlight;
    const delivery = this.#deliver(cancel).finally(() => this.#delivering.delete(key));
    this.#delivering.set(key, delivery);
    return delivery;
  }

  async #deliver(cancel: Pending): Promise<CancelReceipt[] | null> {
    const { fleet, client, log } = this.#deps;
    const { job_id: jobId, hive_id: hiveId, partial } = cancel;
    try {
      const hive = fleet.get(hiveId);
      if (!hive.online || !(await isThere(this.#deps, hiveId))) return null;
      const { downloads } = await client.cancelJob(hive, jobId, partial);
      this.#forget(cancel);
      log.info({ jobId, hiveId }, 'a cancel was delivered late');
      return downloads;
    } catch (error) {
      const { code, message } = toRbeeError(error);
      // The hive said who it is, and has no such job: nothing is left to cancel.
      if (code === 'JOB_NOT_FOUND') this.#forget(cancel);
      log.warn({ jobId, hiveId, message }, 'cannot deliver a cancel');
      return null;
    }
  }

  /** For a hive that is gone for good. */
  forgetHive(hiveId: string): void {
    for (const cancel of [...this.#pending.values()]) if (cancel.hive_id === hiveId) this.#forget(cancel);
  }

  #forgetOldest(): void {
    for (const cancel of this.#pending.values()) {
      if (this.#pending.size <= MAX_PENDING) return;
      const { job_id: jobId, hive_id: hiveId } = cancel;
      this.#deps.log.warn({ jobId, hiveId }, 'a cancel was dropped: too many are waiting for their hives');
      this.#forget(cancel);
    }
  }

  #forget(cancel: Pending): void {
    this.#pending.delete(keyOf(cancel));
    this.#deps.state.forgetCancel(cancel);
  }
}

function keyOf({ job_id, hive_id }: Pick<Pending, 'job_id' | 'hive_id'>): string {
  return `${job_id} ${hive_id}`;
}
