import { createHash } from 'node:crypto';
import { type JobAccepted, type JobId, type QueenOperation, RbeeError } from '@rbee/contract';

/** Requests that are remembered; as many as the registry remembers jobs. */
const LIMIT = 1_000;

/** Equal for equal requests. A digest, because it is kept on disk and a request may hold a signed URL. */
export function requestDigest(body: QueenOperation): string {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(body).sort()))
    .digest('hex');
}

/** Makes POST /v1/jobs idempotent: a request that is sent twice under one id starts one job. */
export class IdempotentRequests {
  readonly #byId = new Map<JobId, { readonly digest: string; readonly response: Promise<JobAccepted> }>();

  /**
   * The response to the same request under that id; calls `start` when there is none yet.
   * @throws RbeeError STATUS_CONFLICT when the id belongs to another request
   */
  run(id: JobId, digest: string, start: () => Promise<JobAccepted>): Promise<JobAccepted> {
    const earlier = this.#byId.get(id);
    if (earlier?.digest === digest) return earlier.response;
    if (earlier) throw idConflict(id);
    const response = start();
    this.remember(id, digest, response);
    // A rejected request is not remembered: nothing was started under the id.
    response.catch(() => this.#byId.delete(id));
    return response;
  }

  /** Also restores the response of a previous run. */
  remember(id: JobId, digest: string, response: Promise<JobAccepted>): void {
    this.#byId.set(id, { digest, response });
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > LIMIT && oldest) this.#byId.delete(oldest);
  }
}

/** For an id that belongs to another request, a retry or a request that is no longer remembered: no hive may get it. */
export function idConflict(id: JobId): RbeeError {
  return new RbeeError('STATUS_CONFLICT', `the job id ${id} belongs to another request`);
}
