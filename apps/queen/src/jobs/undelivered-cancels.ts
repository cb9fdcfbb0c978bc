import { type CancelReceipt, type JobId, type PartialChoice, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import type { Fleet } from '../placement/choice.ts';
import type { QueenState } from '../state/state.ts';

/** Cancels that are kept; the oldest go first. As many as the jobs that are remembered. */
const MAX_PENDING = 1_000;

/** A cancel that could not be delivered. */
interface Pending {
  readonly job_id: JobId;
  readonly hive_id: string;
  readonly partial: PartialChoice;
}

export interface UndeliveredCancelsDeps {
  readonly fleet: Fleet;
  readonly client: Pick<HiveClient, 'cancelJob'>;
  readonly state: Pick<QueenState, 'cancels' | 'keepCancel' | 'forgetCancel'>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Cancels that a hive could not be told, kept until it is back, over restarts of both. */
export class UndeliveredCancels {
  readonly #deps: UndeliveredCancelsDeps;
  readonly #pending = new Map<string, Pending>();
  /** Deliveries under way. */
  readonly #delivering = new Map<string, Promise<CancelReceipt[] | null>>();
  /** Hives that are being told, one cancel after the other. */
  readonly #telling = new Set<string>();

  constructor(deps: UndeliveredCancelsDeps) {
    this.#deps = deps;
    for (const cancel of deps.state.cancels()) this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
  }

  add(cancel: Pending): void {
    this.#deps.state.keepCancel(cancel);
    this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
  }

  /** Cancels that wait for their hive. */
  get size(): number {
    return this.#pending.size;
  }

  has(jobId: JobId, hiveId: string): boolean {
    return this.#pending.has(keyOf({ job_id: jobId, hive_id: hiveId }));
  }

  /** Tells a hive, which is there again, all that it was not told, until one of it cannot be told again. */
  async deliverAll(hiveId: string): Promise<void> {
    if (this.#telling.has(hiveId)) return;
    this.#telling.add(hiveId);
    try {
      for (const cancel of [...this.#pending.values()].filter(({ hive_id }) => hive_id === hiveId)) {
        await this.deliver(cancel.job_id, hiveId);
        if (this.has(cancel.job_id, hiveId)) return;
      }
    } finally {
      this.#telling.delete(hiveId);
    }
  }

  /** Tries once to deliver a cancel; the receipts of the hive, or null where it still cannot be told. */
  deliver(jobId: JobId, hiveId: string): Promise<CancelReceipt[] | null> {
    const key = keyOf({ job_id: jobId, hive_id: hiveId });
    const cancel = this.#pending.get(key);
    if (!cancel) return Promise.resolve(null);
    const underWay = this.#delivering.get(key);
    if (underWay) return underWay;
    const delivery = this.#deliver(cancel).finally(() => this.#delivering.delete(key));
    this.#delivering.set(key, delivery);
    return delivery;
  }

  async #deliver(cancel: Pending): Promise<CancelReceipt[] | null> {
    const { fleet, client, log } = this.#deps;
    const { job_id: jobId, hive_id: hiveId, partial } = cancel;
    try {
      const { downloads } = await client.cancelJob(fleet.get(hiveId), jobId, partial);
      this.#forget(cancel);
      log.info({ jobId, hiveId }, 'a cancel was delivered late');
      return downloads;
    } catch (error) {
      const { code, message } = toRbeeError(error);
      // Nothing is left to cancel where the hive, or its job, is no more.
      if (code === 'JOB_NOT_FOUND' || code === 'HIVE_NOT_FOUND') this.#forget(cancel);
      log.warn({ jobId, hiveId, message }, 'a cancel cannot be delivered');
      return null;
    }
  }

  #forgetOldest(): void {
    for (const cancel of this.#pending.values()) {
      if (this.#pending.size <= MAX_PENDING) return;
      const { job_id: jobId, hive_id: hiveId } = cancel;
      this.#deps.log.warn({ jobId, hiveId }, 'a cancel is given up: too many wait for their hives');
      this.#forget(cancel);
    }
  }

  #forget(cancel: Pending): void {
    this.#deps.state.forgetCancel(cancel);
    this.#pending.delete(keyOf(cancel));
  }
}

function keyOf({ job_id, hive_id }: Pick<Pending, 'job_id' | 'hive_id'>): string {
  return `${job_id} ${hive_id}`;
}
