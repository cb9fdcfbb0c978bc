/** When a journal is written, and how much may be lost until then. */
export interface CheckpointBounds {
  /** A checkpoint starts when this much on disk is not claimed by the journal. */
  readonly checkpointBytes: number;
  /** The sender waits when this much is not claimed. */
  readonly maxUnclaimedBytes: number;
  /** A checkpoint starts no later than this after the first unclaimed byte. */
  readonly delayMs: number;
  /** The sender waits while a checkpoint takes longer than this; null: never. */
  readonly lateAfterMs: number | null;
}

const MiB = 2 ** 20;
/** Including data in flight, a crash loses less than 64 MiB and less than 2 s of download. */
export const tightBounds: CheckpointBounds = {
  checkpointBytes: 32 * MiB,
  maxUnclaimedBytes: 56 * MiB,
  delayMs: 600,
  lateAfterMs: 600,
};
/**
 * For syncs in the background. They start earlier and take longer than writing a journal. With them a power failure costs less than 64 MiB
 * and less than 2 s of download. The sender waits only for a disk that falls behind.
 */
export const syncBounds: CheckpointBounds = {
  checkpointBytes: 24 * MiB,
  maxUnclaimedBytes: 56 * MiB,
  delayMs: 1_000,
  lateAfterMs: 900,
};
/** For the live journal, which waits for a sync that is running: the sender is held for its sake no sooner than for the sync's. */
export const liveBounds: CheckpointBounds = { ...tightBounds, lateAfterMs: syncBounds.lateAfterMs };

export interface CheckpointOptions {
  readonly bounds: CheckpointBounds;
  /** Bytes that the journal already claims. */
  readonly claimed: number;
  /** Writes a journal that claims all bytes written at the time of the call. */
  readonly save: () => Promise<void>;
  /** Called after each checkpoint: the sender may continue. */
  readonly onSaved: () => void;
  readonly onError: (error: unknown) => void;
}

/** Decides when to write the journal while bytes arrive, and when the sender has to wait for it. */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  #claimed: number;
  #written: number;
  #running: Promise<void> | null = null;
  #isLate = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#claimed = options.claimed;
    this.#written = options.claimed;
  }

  /** Whether the sender should wait for the running checkpoint. */
  get mustWait(): boolean {
    return (
      this.#running !== null &&
      (this.#isLate || this.#written - this.#claimed >= this.#options.bounds.maxUnclaimedBytes)
    );
  }

  /** Reports how many bytes are in the file. */
  advance(written: number): void {
    this.#written = written;
    this.#plan();
  }

  /** Waits for a running checkpoint and starts no new one. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#clearTimer();
    await this.#running;
  }

  #plan(): void {
    if (this.#isStopped || this.#running !== null || this.#written === this.#claimed) return;
    const { checkpointBytes, delayMs } = this.#options.bounds;
    if (this.#written - this.#claimed >= checkpointBytes) this.#run();
    else this.#timer ??= setTimeout(() => this.#run(), delayMs);
  }

  #run(): void {
    this.#clearTimer();
    const written = this.#written;
    const { lateAfterMs } = this.#options.bounds;
    const markLate = () => {
      this.#isLate = true;
    };
    const late = lateAfterMs === null ? undefined : setTimeout(markLate, lateAfterMs);
    this.#running = this.#options
      .save()
      .then(
        () => {
          this.#claimed = written;
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
