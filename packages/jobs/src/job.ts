import {
  type Clock,
  type Failure,
  type JOB_EVENT_NAMES,
  type JobData,
  type JobDownload,
  type JobEnd,
  type JobId,
  type Job as JobSnapshot,
  type JobState,
  type Narration,
  printJobEnd,
  toTimestamp,
} from '@rbee/contract';
import type { Channel } from '@rbee/event-stream';
import type { Line, Listener } from './narration.ts';

/** Legal next states; none goes back. */
const LEGAL_MOVES: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

export interface JobRequest {
  readonly operation: string;
  readonly model: string | null;
}

interface JobDeps {
  readonly id: JobId;
  readonly request: JobRequest;
  readonly actor: string;
  readonly clock: Clock;
  readonly channel: Channel;
  /** Called for every change that should outlive the process. */
  readonly onChange: (job: Job) => void;
}

/** One requested operation: its AbortController, its state and its stream. */
export class Job implements Listener {
  readonly id: JobId;
  readonly request: JobRequest;
  readonly channel: Channel;
  readonly #controller = new AbortController();
  readonly #actor: string;
  readonly #clock: Clock;
  readonly #onChange: (job: Job) => void;
  readonly #downloads: JobDownload[] = [];
  #createdAtMs: number;
  readonly #settled = Promise.withResolvers<void>();
  #state: JobState = 'queued';
  #endedAtMs: number | null = null;
  #failure: Failure | null = null;

  constructor(deps: JobDeps) {
    this.id = deps.id;
    this.request = deps.request;
    this.channel = deps.channel;
    this.#actor = deps.actor;
    this.#clock = deps.clock;
    this.#onChange = deps.onChange;
    this.#createdAtMs = deps.clock.now();
  }

  /** The downloads that the job waits for, in the order they were joined. */
  get downloads(): readonly JobDownload[] {
    return this.#downloads;
  }

  addDownload(download: JobDownload): void {
    this.#downloads.push(download);
    this.#onChange(this);
  }

  /** Aborts when the job is cancelled. Everything that the job starts takes this signal and makes none of its own. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get state(): JobState {
    return this.#state;
  }

  get ended(): boolean {
    return LEGAL_MOVES[this.#state].length === 0;
  }

  /** Resolves when the job's work is over. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  onLine(line: Line): void {
    const { action, human, level } = line;
    const at = toTimestamp(this.#clock.now());
    const narration: Narration = { job_id: this.id, action, human, actor: this.#actor, at, level };
    this.relay('narration', JSON.stringify(narration));
  }

  /** Puts a result on the stream. */
  data(data: JobData): void {
    this.relay('data', JSON.stringify(data));
  }

  /** Puts an event on the stream unchanged: a queen forwards the events of a hive with it. */
  relay(event: (typeof JOB_EVENT_NAMES)[number], json: string): void {
    if (!this.ended) this.channel.publish({ event, data: json }, 'keep');
  }

  start(): void {
    this.#moveTo('running');
  }

  abort(reason: Error): void {
    if (!this.ended) this.#controller.abort(reason);
  }

  /** Ends the job, once: the last, unnamed event goes out and the stream ends. */
  end(end: JobEnd, failure: Failure | null = null): void {
    this.#failure = failure;
    this.#endedAtMs = this.#clock.now();
    this.#moveTo(end.state);
    this.channel.publish({ data: printJobEnd(end) }, 'terminal');
  }

  /** Ends the stream of a job that is forgotten before its work begins. */
  discard(): void {
    this.channel.publish({ data: printJobEnd({ state: 'failed', message: 'the job could not begin' }) }, 'terminal');
    this.settle();
  }

  /** Marks the work as over, whether or not the job ended with it. */
  settle(): void {
    this.#settled.resolve();
  }

  snapshot(): JobSnapshot {
    return {
      job_id: this.id,
      operation: this.request.operation,
      state: this.#state,
      model: this.request.model,
      sse_url: `/v1/jobs/${this.id}/stream`,
      created_at: toTimestamp(this.#createdAtMs),
      ended_at: this.#endedAtMs === null ? null : toTimestamp(this.#endedAtMs),
      downloads: [...this.#downloads],
      error: this.#failure,
    };
  }

  /** Restores the job from a previous run. One that had not ended is `queued` again. */
  restore(snapshot: JobSnapshot): void {
    this.#createdAtMs = Date.parse(snapshot.created_at);
    this.#downloads.push(...snapshot.downloads);
    if (snapshot.ended_at === null) return;
    this.#state = snapshot.state;
    this.#endedAtMs = Date.parse(snapshot.ended_at);
    this.#failure = snapshot.error;
    this.channel.publish({ data: printJobEnd(endOf(snapshot)) }, 'terminal');
    this.settle();
  }

  #moveTo(state: JobState): void {
    if (!LEGAL_MOVES[this.#state].includes(state))
      throw new Error(`${this.id} cannot go from ${this.#state} to ${state}`);
    this.#state = state;
    this.#onChange(this);
  }
}

function endOf({ state, error }: JobSnapshot): JobEnd {
  if (state === 'completed' || state === 'cancelled') return { state };
  return { state: 'failed', message: error?.message ?? 'the job failed' };
}
