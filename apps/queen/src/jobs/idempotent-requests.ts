import { createHash } from 'node:crypto';
import { type JobAccepted, type JobId, type QueenOperation, RbeeError } from '@rbee/contract';

/** Requests that are remembered, so that one sent twice starts one job; as many as the registry remembers jobs. */
const LIMIT = 1_000;

/** What two requests share when they are the same: a digest, since it is kept and a request may hold a signed URL. */
export function requestDigest(body: QueenOperation): string {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(body).sort()))
    .digest('hex');
}

/** What was asked for under an id, and its answer: known before the first hive has been asked. */
export class IdempotentRequests {
  readonly #asked = new Map<JobId, { readonly request: string; readonly answer: Promise<JobAccepted> }>();

  /** The answer to the same request under that id; `start` is called where there was none. */
  run(id: JobId, request: string, start: () => Promise<JobAccepted>): Promise<JobAccepted> {
    const earlier = this.#asked.get(id);
    if (earlier?.request === request) return earlier.answer;
    if (earlier) throw idConflict(id);
    const answer = start();
    this.remember(id, request, answer);
    // What was refused is not remembered: nothing was started under the id.
    answer.catch(() => this.#asked.delete(id));
    return answer;
  }

  /** Takes over what an earlier life answered. */
  remember(id: JobId, request: string, answer: Promise<JobAccepted>): void {
    this.#asked.set(id, { request, answer });
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > LIMIT && oldest) this.#asked.delete(oldest);
  }
}

/** An id that a retry gave, or whose request is no longer remembered: no hive may be asked under it. */
export function idConflict(id: JobId): RbeeError {
  return new RbeeError('STATUS_CONFLICT', `the job ${id} was asked for with something else`);
}
