/** A checkpoint starts when this much is on disk that the journal does not claim. */
const checkpointBytes = 32 * 2 ** 20;
/** The sender waits when this much is not claimed; with what may be on its way it stays below 64 MiB. */
const maxUnclaimedBytes = 56 * 2 ** 20;
/** A checkpoint starts at the latest this long after the first byte that the journal does not claim. */
const checkpointDelayMs = 600;
/** The sender waits while a checkpoint takes longer than this: what arrives now would be lost later than promised. */
const lateAfterMs = 600;

export interface CheckpointOptions {
  /** What the journal claims already. */
  readonly claimed: number;
  /** Syncs the data and then writes a journal that claims all bytes before `frontier`. */
  readonly save: (frontier: number) => Promise<void>;
  /** Called after each checkpoint: the sender may go on. */
  readonly onSaved: () => void;
  readonly onError: (error: unknown) => void;
}

/** Decides when the journal is written while bytes arrive, and when they have to wait for it. */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  #claimed: number;
  #frontier: number;
  #running: Promise<void> | null = null;
  #isLate = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#claimed = options.claimed;
    this.#frontier = options.claimed;
  }

  /** Whether the sender should wait for the running checkpoint. */
  get mustWait(): boolean {
    return this.#running !== null && (this.#isLate || this.#frontier - this.#claimed >= maxUnclaimedBytes);
  }

  /** All bytes before `frontier` are in the file. */
  advance(frontier: number): void {
    this.#frontier = frontier;
    this.#plan();
  }

  /** Waits for a running checkpoint and starts no other; what the journal claims is then final. */
  async stop(): Promise<{ readonly claimed: number }> {
    this.#isStopped = true;
    this.#clearTimer();
    await this.#running;
    return { claimed: this.#claimed };
  }

  #plan(): void {
    if (this.#isStopped || this.#running !== null || this.#frontier === this.#claimed) return;
    if (this.#frontier - this.#claimed >= checkpointBytes) this.#run();
    else this.#timer ??= setTimeout(() => this.#run(), checkpointDelayMs);
  }

  #run(): void {
    this.#clearTimer();
    const frontier = this.#frontier;
    const late = setTimeout(() => {
      this.#isLate = true;
    }, lateAfterMs);
    this.#running = this.#options
      .save(frontier)
      .then(
        () => {
          this.#claimed = frontier;
        },
        (error: unknown) => {
          this.#isStopped = true;
          this.#options.onError(error);
        },
      )
      .finally(() => {
        clearTimeout(late);
        this.#isLate = false;
        this.#running = null;
        this.#options.onSaved();
        this.#plan();
      });
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
