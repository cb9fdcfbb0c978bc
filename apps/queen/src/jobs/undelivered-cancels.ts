import { type CancelReceipt, type DownloadId, toRbeeError } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { type HiveWordDeps, isThere } from '../hives/hive-word.ts';
import type { Fleet } from '../placement/choice.ts';
import type { KeptCancel } from '../state/saved-rows.ts';
import type { QueenState } from '../state/state.ts';

/** Maximum number of cancels that are kept, as many as remembered jobs; the oldest go first. */
const MAX_PENDING = 1_000;

type CancelledId = KeptCancel['id'];

export interface UndeliveredCancelsDeps {
  readonly fleet: Fleet;
  readonly client: HiveWordDeps['client'] & Pick<HiveClient, 'cancelJob' | 'cancelDownload'>;
  readonly state: Pick<QueenState, 'cancels' | 'keepCancel' | 'forgetCancel'>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Cancels that did not reach their hive, kept until it is back, over restarts of both. */
export class UndeliveredCancels {
  readonly #deps: UndeliveredCancelsDeps;
  readonly #pending = new Map<string, KeptCancel>();
  /** Deliveries in flight. */
  readonly #delivering = new Map<string, Promise<CancelReceipt[] | null>>();
  /** Hives that are getting their cancels, one after the other. */
  readonly #busyHives = new Set<string>();

  constructor(deps: UndeliveredCancelsDeps) {
    this.#deps = deps;
    for (const cancel of deps.state.cancels()) this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
  }

  add(cancel: KeptCancel): void {
    this.#pending.set(keyOf(cancel), cancel);
    this.#forgetOldest();
    this.#deps.state.keepCancel(cancel);
  }

  /** The hive has heard of it, or the job is wanted again. */
  forget(id: CancelledId, hiveId: string): void {
    const cancel = this.#pending.get(keyOf({ id, hive_id: hiveId }));
    if (cancel) this.#forget(cancel);
  }

  /** Cancels waiting for their hive. */
  get size(): number {
    return this.#pending.size;
  }

  has(id: CancelledId, hiveId: string): boolean {
    return this.#pending.has(keyOf({ id, hive_id: hiveId }));
  }

  /** Delivers all cancels of a hive that is back, until one fails again. */
  async deliverAll(hiveId: string): Promise<void> {
    if (this.#busyHives.has(hiveId)) return;
    this.#busyHives.add(hiveId);
    try {
      for (const cancel of [...this.#pending.values()].filter(({ hive_id }) => hive_id === hiveId)) {
        await this.deliver(cancel.id, hiveId);
        if (this.has(cancel.id, hiveId)) return;
      }
    } finally {
      this.#busyHives.delete(hiveId);
    }
  }

  /**
   * Tries once to deliver a cancel, to the hive that it is for and to no other daemon at its address: the receipts of the
   * hive, or null when it still cannot be delivered.
   */
  deliver(id: CancelledId, hiveId: string): Promise<CancelReceipt[] | null> {
    const key = keyOf({ id, hive_id: hiveId });
    const cancel = this.#pending.get(key);
    if (!cancel) return Promise.resolve(null);
    const inFlight = this.#delivering.get(key);
    if (inFlight) return inFlight;
    const delivery = this.#deliver(cancel).finally(() => this.#delivering.delete(key));
    this.#delivering.set(key, delivery);
    return delivery;
  }

  async #deliver(cancel: KeptCancel): Promise<CancelReceipt[] | null> {
    const { fleet, client, log } = this.#deps;
    const { id, hive_id: hiveId, partial } = cancel;
    try {
      const hive = fleet.get(hiveId);
      if (!hive.online || !(await isThere(this.#deps, hiveId))) return null;
      const { downloads } = isDownload(id)
        ? await client.cancelDownload(hive, id, partial)
        : await client.cancelJob(hive, id, partial);
      this.#forget(cancel);
      log.info(fieldsOf(cancel), 'a cancel was delivered late');
      return downloads;
    } catch (error) {
      const { code, message } = toRbeeError(error);
      // The hive said who it is, and has nothing of that id: nothing is left to cancel.
      if (code === (isDownload(id) ? 'DOWNLOAD_NOT_FOUND' : 'JOB_NOT_FOUND')) this.#forget(cancel);
      log.warn({ ...fieldsOf(cancel), message }, 'cannot deliver a cancel');
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
      this.#deps.log.warn(fieldsOf(cancel), 'a cancel was dropped: too many are waiting for their hives');
      this.#forget(cancel);
    }
  }

  #forget(cancel: KeptCancel): void {
    this.#pending.delete(keyOf(cancel));
    this.#deps.state.forgetCancel(cancel);
  }
}

function keyOf({ id, hive_id }: Pick<KeptCancel, 'id' | 'hive_id'>): string {
  return `${id} ${hive_id}`;
}

function isDownload(id: CancelledId): id is DownloadId {
  return id.startsWith('dl-');
}

function fieldsOf({ id, hive_id: hiveId }: KeptCancel) {
  return isDownload(id) ? { downloadId: id, hiveId } : { jobId: id, hiveId };
}
