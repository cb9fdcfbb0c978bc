import { type DownloadId, type ModelRef, type PartialChoice, RbeeError } from '@rbee/contract';
import { CancelRequest, type Job, type Line, type Listener } from '@rbee/jobs';
import { abortable, type Limiter } from '@rbee/transfer';
import type { DownloadContent } from '../history/saved-rows.ts';

/** The abort reason of a paused run. The download has not ended. */
class PauseRequest extends Error {
  override readonly name = 'AbortError';

  constructor() {
    super('paused on request');
  }
}

/** A request for a download, as a job or a retry makes it. */
export interface DownloadRequest {
  readonly ref: ModelRef;
  /** The expected digest of the one file, lower case; null if the request has none. */
  readonly sha256: string | null;
  readonly priority: number;
  /** Bytes per second; null is unlimited. */
  readonly maxBandwidth: number | null;
  readonly retryOf: DownloadId | null;
}

export interface DownloadOptions {
  /** A previous run of the hive had accepted it. */
  readonly isRestored?: boolean;
  /** As a previous run of the hive saved it. */
  readonly content?: DownloadContent | null;
  /** Called with content to be saved. */
  readonly onContent?: (content: DownloadContent) => void;
}

/**
 * One download and the jobs that want it. Its narration goes to each of them, and its signal aborts when the last of
 * them is cancelled: there is no other token. A pause stops a run, not the download.
 */
export class Download implements Listener {
  readonly id: DownloadId;
  /** The bandwidth of this download, within that of the hive. */
  readonly limiter: Limiter;
  readonly #jobs = new Set<Job>();
  readonly #controller = new AbortController();
  #work: Promise<void> = Promise.resolve();
  readonly #begun = Promise.withResolvers<void>();
  #run = new AbortController();
  #resumed: PromiseWithResolvers<void> | null = null;
  readonly #isRestored: boolean;
  #content: DownloadContent | null;
  readonly #onContent: (content: DownloadContent) => void;

  constructor(id: DownloadId, limiter: Limiter, options: DownloadOptions = {}) {
    this.id = id;
    this.limiter = limiter;
    this.#isRestored = options.isRestored ?? false;
    this.#content = options.content ?? null;
    this.#onContent = options.onContent ?? (() => {});
    this.#begun.promise.catch(() => {});
  }

  /** Its source is known to be right: it was resolved before, or the download was resumed after a restart. */
  get hasBegun(): boolean {
    return this.#isRestored || this.#content !== null;
  }

  /** What it fetches; null until the source has been resolved, in this run of the hive or a previous one. */
  get content(): DownloadContent | null {
    return this.#content;
  }

  /** Sets what the source resolved to. Earlier blob names of the same place stay: their partials may be on disk. */
  setContent({ place, blobNames }: DownloadContent): void {
    const before = this.#content?.place === place ? this.#content.blobNames : [];
    this.#content = { place, blobNames: [...new Set([...before, ...blobNames])] };
    this.#onContent(this.#content);
  }

  /** Forgets the blob names, once none of their partials is on disk. */
  clearContent(): void {
    if (this.#content !== null) this.#content = { ...this.#content, blobNames: [] };
  }

  /** Aborts when no job wants the download any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts with `signal`, and when the download is paused. */
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

  /** Resolves when the download is not paused; rejects with the signal's reason when no job wants it any more. */
  async untilResumed(): Promise<void> {
    await abortable(this.signal, async () => this.#resumed?.promise);
  }

  /** The jobs that wait for it. */
  get jobs(): readonly Job[] {
    return [...this.#jobs];
  }

  onLine(line: Line): void {
    for (const job of this.#jobs) job.onLine(line);
  }

  join(job: Job): void {
    this.#jobs.add(job);
  }

  /** Undoes `join`, for a job that could not begin. */
  leave(job: Job): void {
    this.#jobs.delete(job);
  }

  /** Resolves when the work has started. @throws RbeeError STATE_UNAVAILABLE when it could not be saved */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** It could not be saved: jobs that joined it meanwhile cannot begin either. */
  undo(): void {
    this.#begun.reject(new RbeeError('STATE_UNAVAILABLE', 'the download could not be saved', { hint: 'try again' }));
  }

  /** Stops it, whatever number of jobs wait for it. They have to be cancelled too. */
  cancel(reason: CancelRequest): void {
    this.#controller.abort(reason);
  }

  /** Starts the work; called once. */
  start(work: () => Promise<void>): void {
    this.#begun.resolve();
    this.#work = work();
    // Jobs that wait for it get the failure; without any, it must not count as unhandled.
    this.#work.catch(() => {});
  }

  /**
   * Waits for the end on behalf of a job. A cancelled job leaves immediately while others still want the download; the
   * last one stops it and waits until it has stopped.
   */
  async wait(job: Job): Promise<void> {
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = () => {
      // It stops for all of them: each stays for its last line.
      if (this.signal.aborted) return;
      if (this.#jobs.size > 1) {
        this.#jobs.delete(job);
        reject(job.signal.reason);
      } else {
        // The last one stays, so that its stream has the download's last line.
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

/** What a cancel wants done with the partial files. */
export function partialChoiceOf(reason: unknown): PartialChoice {
  return reason instanceof CancelRequest ? reason.partial : 'keep';
}

/** Whether a run was stopped by a pause rather than a cancel. */
export function isPause(reason: unknown): boolean {
  return reason instanceof PauseRequest;
}
