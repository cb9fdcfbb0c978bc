import type { DownloadId, PartialChoice } from '@rbee/contract';
import { CancelRequest, type Job, type Line, type Listener } from '@rbee/jobs';

/**
 * One download and the jobs that want it. What it says is heard by each of them, and its signal aborts when the last
 * of them has been cancelled: there is no other token that could be forgotten.
 */
export class Download implements Listener {
  readonly id: DownloadId;
  readonly #jobs = new Set<Job>();
  readonly #controller = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(id: DownloadId) {
    this.id = id;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hear(line: Line): void {
    for (const job of this.#jobs) job.hear(line);
  }

  join(job: Job): void {
    this.#jobs.add(job);
  }

  /** Starts the work; called once, by the first job's request. */
  begin(work: () => Promise<void>): void {
    this.#work = work();
    // Whoever waits sees the failure; a download that nobody waits for any more fails in silence.
    this.#work.catch(() => {});
  }

  /**
   * Waits for the end on behalf of a job. A cancelled job leaves at once while others still want the download; the
   * last one stops it and waits until it has really stopped.
   */
  async wait(job: Job): Promise<void> {
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = () => {
      if (this.#jobs.size > 1) {
        this.#jobs.delete(job);
        reject(job.signal.reason);
      } else {
        // The last one stays, so that it hears how the download ended.
        this.#controller.abort(job.signal.reason);
      }
    };
    if (job.signal.aborted) leave();
    else job.signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([this.#work, left]);
    } finally {
      job.signal.removeEventListener('abort', leave);
    }
  }
}

/** What a cancel wants done with what is on disk. */
export function partialChoiceOf(reason: unknown): PartialChoice {
  return reason instanceof CancelRequest ? reason.partial : 'keep';
}
