import type { DownloadId, PartialChoice } from '@rbee/contract';
import { CancelRequest, type Job, type Line, type Listener } from '@rbee/jobs';
import type { Limiter } from '@rbee/transfer';

/** Why a run stopped: somebody paused the download. It is not over. */
class PauseRequest extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('paused on request');
  }
}

/**
 * One download and the jobs that want it. What it says is heard by each of them, and its signal aborts when the last
 * of them has been cancelled: there is no other token that could be forgotten. A pause stops a run, not the download.
 */
export class Download implements Listener {
  readonly id: DownloadId;
  /** The bandwidth of this download, under that of the hive. */
  readonly limiter: Limiter;
  /** Where its files grow, by the path of each blob; known once the source has told what there is. */
  readonly partials = new Map<string, string>();
  /** Where the store keeps what it fetches; null until the source has told. */
  place: string | null = null;
  readonly #jobs = new Set<Job>();
  readonly #controller = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #run = new AbortController();
  #resumed: PromiseWithResolvers<void> | null = null;

  constructor(id: DownloadId, limiter: Limiter) {
    this.id = id;
    this.limiter = limiter;
  }

  /** Aborts when no job wants the download any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts with it, and when the download is paused. */
  get runSignal(): AbortSignal {
    return AbortSignal.any([this.signal, this.#run.signal]);
  }

  get isPaused(): boolean {
    return this.#resumed !== null;
  }

  pause(): void {
    this.#resumed ??= Promise.withResolvers<void>();
    this.#run.abort(new PauseRequest());
  }

  resume(): void {
    this.#run = new AbortController();
    this.#resumed?.resolve();
    this.#resumed = null;
  }

  /** Resolves when the download is not paused; rejects with the signal's reason when nobody wants it any more. */
  async untilResumed(): Promise<void> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(this.signal.reason);
    this.signal.throwIfAborted();
    this.signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#resumed?.promise, aborted]);
    } finally {
      this.signal.removeEventListener('abort', abort);
    }
  }

  hear(line: Line): void {
    for (const job of this.#jobs) job.hear(line);
  }

  join(job: Job): void {
    this.#jobs.add(job);
  }

  /** Starts the work; called once. */
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

/** Whether a run was stopped by a pause alone. */
export function isPause(reason: unknown): boolean {
  return reason instanceof PauseRequest;
}
