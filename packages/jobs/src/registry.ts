import {
  type Clock,
  type JobId,
  type Job as JobSnapshot,
  type JobState,
  type Narration,
  newJobId,
  type PartialChoice,
  RbeeError,
  toFailure,
  toRbeeError,
  toTimestamp,
} from '@rbee/contract';
import type { StreamHub } from '@rbee/event-stream';
import { CancelRequest, ShutdownRequest } from './cancel.ts';
import { Job, type JobRequest } from './job.ts';
import { withListener } from './narration.ts';

const DEFAULT_HISTORY_LIMIT = 1_000;
const DEFAULT_MAX_OPEN = 1_000;
/** How long a client should wait when there are too many jobs. */
const FULL_RETRY_AFTER_MS = 5_000;
/** Narration lines kept for late readers; an overnight download with a heartbeat every 10 s has about 3,000. */
const NARRATION_LIMIT = 4_000;
/** Memory for the streams of ended jobs, which are mostly their results, for late readers. */
const DEFAULT_KEPT_BYTES = 32 * 2 ** 20;

export interface JobRegistryDeps {
  readonly streamHub: StreamHub;
  readonly clock: Clock;
  /** The `actor` of the narration: the daemon's id. */
  readonly actor: string;
  /** Called for every error that is a bug, so that it reaches the log. */
  readonly onBug: (error: unknown, jobId: JobId) => void;
  /** Called for every change of a job that should outlive the process. When it throws a new job is rejected; others continue. */
  readonly onChange?: (job: Job) => void;
  /** Called for every job that is forgotten. */
  readonly onForget?: (id: JobId) => void;
  /** Wraps the work of a job, for instance in the context of its log lines. */
  readonly within?: (job: Job, work: () => Promise<void>) => Promise<void>;
}

export interface JobRegistryOptions {
  /** Maximum number of ended jobs that are remembered; the oldest go first. */
  readonly historyLimit?: number;
  /** Maximum number of jobs that have not ended; more are rejected. */
  readonly maxOpen?: number;
  /**
   * Maximum number of bytes kept on the streams of ended jobs; beyond it the oldest jobs keep only their end. The stream of
   * the job that ended last is always kept, since a client may wait for it.
   */
  readonly keptBytes?: number;
}

/** Every job of a daemon: one AbortController each, states that never go back, a bounded history. */
export class JobRegistry {
  readonly #deps: JobRegistryDeps;
  readonly #historyLimit: number;
  readonly #maxOpen: number;
  readonly #keptBytes: number;
  /** Places reserved for jobs that do not exist yet. */
  #reserved = 0;
  readonly #jobs = new Map<JobId, Job>();
  /** Jobs whose work has been started: only these settle. */
  readonly #run = new WeakSet<Job>();
  readonly #endedByState = { completed: 0, failed: 0, cancelled: 0 };
  #closing = false;

  constructor(deps: JobRegistryDeps, options: JobRegistryOptions = {}) {
    this.#deps = deps;
    this.#historyLimit = options.historyLimit ?? DEFAULT_HISTORY_LIMIT;
    this.#maxOpen = options.maxOpen ?? DEFAULT_MAX_OPEN;
    this.#keptBytes = options.keptBytes ?? DEFAULT_KEPT_BYTES;
  }

  /**
   * A new job, `queued`.
   * @throws RbeeError STATUS_CONFLICT when a job has that id already, RATE_LIMITED while too many have not ended,
   * HIVE_UNAVAILABLE while the daemon stops
   */
  create(request: JobRequest, id: JobId = newJobId()): Job {
    if (this.#closing) throw new RbeeError('HIVE_UNAVAILABLE', 'the daemon is stopping', { hint: 'try again shortly' });
    if (this.#jobs.has(id)) throw new RbeeError('STATUS_CONFLICT', `the job ${id} exists already`);
    this.#assertCapacity();
    const job = this.#add(request, id);
    try {
      this.#deps.onChange?.(job);
    } catch (error) {
      // It would stay open forever: no caller has it to run it.
      this.#jobs.delete(id);
      throw error;
    }
    return job;
  }

  /**
   * Reserves a place for a job that is created later, when hives have accepted it. Returns the function that releases it.
   * @throws RbeeError RATE_LIMITED
   */
  reserve(): () => void {
    this.#assertCapacity();
    this.#reserved += 1;
    let isReserved = true;
    return () => {
      if (isReserved) this.#reserved -= 1;
      isReserved = false;
    };
  }

  /** Undoes `create`, for a job whose work could not begin: it is forgotten, and only who follows it hears of it. */
  undo(job: Job): void {
    if (this.#run.has(job)) throw new Error(`${job.id} has begun: it cannot be undone`);
    this.#jobs.delete(job.id);
    job.discard();
    this.#forgotten(job.id);
  }

  /** Restores a job of a previous run: an ended one as it was, any other `queued`, for the caller to run. */
  restore(snapshot: JobSnapshot): Job {
    const job = this.#add({ operation: snapshot.operation, model: snapshot.model }, snapshot.job_id);
    job.restore(snapshot);
    return job;
  }

  /**
   * Starts the job's work, with narration bound to the job. The job ends with the work: completed when it returns,
   * cancelled when it throws after a cancel, failed when it throws otherwise. A stopping daemon ends no job.
   */
  run(job: Job, work: (job: Job) => Promise<void>): void {
    // It was cancelled before it began.
    if (job.ended) return;
    const { within = (_, start) => start() } = this.#deps;
    this.#run.add(job);
    job.start();
    void withListener(job, async () => {
      try {
        await within(job, () => work(job));
        job.end({ state: 'completed' });
      } catch (error) {
        this.#endWithError(job, error);
      } finally {
        this.#condense(job);
        job.settle();
      }
    });
  }

  /** @throws RbeeError JOB_NOT_FOUND */
  get(id: JobId): Job {
    const job = this.#jobs.get(id);
    if (job) return job;
    throw new RbeeError('JOB_NOT_FOUND', `there is no job ${id}`, { hint: 'list them with "job list"' });
  }

  find(id: JobId): Job | undefined {
    return this.#jobs.get(id);
  }

  /** The remembered jobs, newest first. */
  list(): JobSnapshot[] {
    return [...this.#jobs.values()].reverse().map((job) => job.snapshot());
  }

  /** Number of remembered jobs in each state. */
  byState(): Record<JobState, number> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { state } of this.#jobs.values()) counts[state] += 1;
    return counts;
  }

  /** Number of jobs that ended since the start, including forgotten ones. */
  get endedByState(): Readonly<Record<'completed' | 'failed' | 'cancelled', number>> {
    return this.#endedByState;
  }

  /**
   * Cancels a job and waits until its work is over; a job that was never run ends immediately. Has no effect on an ended
   * job.
   * @throws RbeeError JOB_NOT_FOUND
   */
  async cancel(id: JobId, partial: PartialChoice): Promise<Job> {
    const job = this.get(id);
    job.abort(new CancelRequest(partial));
    if (!job.ended && !this.#run.has(job)) {
      job.end({ state: 'cancelled' });
      job.settle();
    }
    await job.settled;
    return job;
  }

  /**
   * Stops all work without ending a job; resolves when the last work is over. Jobs that were never run have no work: a
   * start that failed between `restore` and `run` does not wait for them.
   */
  async shutdown(): Promise<void> {
    this.#closing = true;
    const running = [...this.#jobs.values()].filter((job) => !job.ended && this.#run.has(job));
    for (const job of running) job.abort(new ShutdownRequest());
    await Promise.all(running.map((job) => job.settled));
  }

  #assertCapacity(): void {
    let open = this.#reserved;
    for (const job of this.#jobs.values()) if (!job.ended) open += 1;
    if (open < this.#maxOpen) return;
    throw new RbeeError('RATE_LIMITED', `${this.#maxOpen} jobs have not ended yet`, {
      hint: 'wait until some have ended, or cancel some; the limit is set with --max-open-jobs',
      retryAfterMs: FULL_RETRY_AFTER_MS,
    });
  }

  #add(request: JobRequest, id: JobId): Job {
    const { streamHub, clock, actor } = this.#deps;
    const channel = streamHub.channel({
      mode: 'log',
      historyLimit: NARRATION_LIMIT,
      gapEvent: (missed) => this.#gap(id, missed),
    });
    const job = new Job({ id, request, actor, clock, channel, onChange: (changed) => this.#changed(changed) });
    this.#jobs.set(id, job);
    this.#forgetOldest();
    return job;
  }

  #changed(job: Job): void {
    const { state } = job;
    if (state === 'completed' || state === 'failed' || state === 'cancelled') this.#endedByState[state] += 1;
    try {
      this.#deps.onChange?.(job);
    } catch (error) {
      // For instance a full disk: a running job is worth more than its history.
      this.#deps.onBug(error, job.id);
    }
  }

  #forgotten(id: JobId): void {
    try {
      this.#deps.onForget?.(id);
    } catch (error) {
      // An old row that stays on disk must not refuse a new job.
      this.#deps.onBug(error, id);
    }
  }

  #gap(id: JobId, missed: number) {
    const { actor, clock } = this.#deps;
    const human = `${missed} earlier lines are no longer kept`;
    const at = toTimestamp(clock.now());
    const narration: Narration = { job_id: id, action: 'lines_dropped', human, actor, at, level: 'warn' };
    return { event: 'narration', data: JSON.stringify(narration) };
  }

  #endWithError(job: Job, error: unknown): void {
    const { reason } = job.signal;
    if (reason instanceof ShutdownRequest) return;
    if (reason instanceof CancelRequest) {
      job.end({ state: 'cancelled' });
      return;
    }
    const failure = toRbeeError(error);
    if (failure.code === 'INTERNAL') this.#deps.onBug(error, job.id);
    job.end({ state: 'failed', message: failure.message }, toFailure(failure));
  }

  /** Condenses the streams of the oldest ended jobs, except this one, until the rest is within the limit. */
  #condense(last: Job): void {
    const ended = [...this.#jobs.values()].filter((job) => job.ended);
    let bytes = ended.reduce((sum, { channel }) => sum + channel.keptBytes, 0);
    for (const job of ended) {
      if (bytes <= this.#keptBytes) return;
      if (job === last) continue;
      bytes -= job.channel.keptBytes;
      job.channel.condense();
      bytes += job.channel.keptBytes;
    }
  }

  #forgetOldest(): void {
    let ended = [...this.#jobs.values()].filter((job) => job.ended).length;
    for (const [id, job] of this.#jobs) {
      if (ended <= this.#historyLimit) return;
      if (!job.ended) continue;
      this.#jobs.delete(id);
      this.#forgotten(id);
      ended -= 1;
    }
  }
}
