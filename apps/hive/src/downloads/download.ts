import type { DownloadId, PartialChoice } from '@rbee/contract';
import { CancelRequest, type Job, type Line, type Listener } from '@rbee/jobs';
import { beforeAbort, type Limiter } from '@rbee/transfer';

/** Why a run stopped: somebody paused the download. It is not over. */
class PauseRequest extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('paused on request');
  }
}

/** What a download fetches, in the store's terms. */
export interface Content {
  readonly place: string;
  readonly blobNames: readonly string[];
}

export interface DownloadOptions {
  /** What an earlier life was told. */
  readonly content?: Content | null;
  /** Told what should outlive this one. */
  readonly onContent?: (content: Content) => void;
}

/**
 * One download and the jobs that want it. What it says is heard by each of them, and its signal aborts when the last
 * of them has been cancelled: there is no other token that could be forgotten. A pause stops a run, not the download.
 */
export class Download implements Listener {
  readonly id: DownloadId;
  /** The bandwidth of this download, under that of the hive. */
  readonly limiter: Limiter;
  readonly #jobs = new Set<Job>();
  readonly #controller = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #run = new AbortController();
  #resumed: PromiseWithResolvers<void> | null = null;
  #content: Content | null;
  readonly #onContent: (content: Content) => void;

  constructor(id: DownloadId, limiter: Limiter, options: DownloadOptions = {}) {
    this.id = id;
    this.limiter = limiter;
    this.#content = options.content ?? null;
    this.#onContent = options.onContent ?? (() => {});
  }

  /** What it fetches; null until the source has told, in this life or an earlier one. */
  get content(): Content | null {
    return this.#content;
  }

  /** The source has told what there is. What it told before counts too: something of that may be on disk. */
  expect({ place, blobNames }: Content): void {
    const before = this.#content?.place === place ? this.#content.blobNames : [];
    this.#content = { place, blobNames: [...new Set([...before, ...blobNames])] };
    this.#onContent(this.#content);
  }

  /** Nothing of what was expected is on disk any more. */
  expectNothing(): void {
    if (this.#content !== null) this.#content = { ...this.#content, blobNames: [] };
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
    await beforeAbort(this.signal, async () => this.#resumed?.promise);
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
