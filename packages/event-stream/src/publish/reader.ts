import type { Frame } from '../frame.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Batch, Feed } from './feed.ts';

/** What a reader tells the hub about itself. */
export interface ReaderWatch {
  /** Bytes were handed to its sink. */
  wrote(reader: Reader): void;
  /** It takes no more bytes, or its stream was ended and has not closed yet. */
  stalled(reader: Reader): void;
  /** It takes bytes again. */
  recovered(reader: Reader): void;
  /** It fell behind, and so many events were left out for it. */
  skipped(events: number): void;
}

/** One open stream: a sink, a cursor into its channel's feed, and whether it lags. Nothing is queued per reader. */
export class Reader {
  /** For the keep-alive wheel: when it was written to last, and where it stands. */
  lastTick = 0;
  slot = -1;
  readonly #sink: Sink;
  readonly #feed: Feed;
  readonly #watch: ReaderWatch;
  #cursor: number;
  #isBlocked = false;
  #hasLagged = false;
  #isEnding = false;

  constructor(sink: Sink, feed: Feed, watch: ReaderWatch, cursor: number) {
    this.#sink = sink;
    this.#feed = feed;
    this.#watch = watch;
    this.#cursor = cursor;
  }

  /** Writes the greeting and the snapshot, then what the feed has for this reader. */
  open(frame: Frame): void {
    this.#sink.onDrain(() => this.#drained());
    this.#write(frame);
    this.deliver();
  }

  /** Writes what it has not had yet, as far as its sink takes it, and ends it after the terminal event. */
  deliver(): void {
    while (!this.#isBlocked && !this.#isEnding) {
      const batch = this.#feed.next(this.#cursor, this.#hasLagged);
      if (batch === null) {
        this.#hasLagged = false;
        break;
      }
      // Never for a reader that keeps up, so that counting costs it nothing.
      if (this.#hasLagged) this.#watch.skipped(batch.upTo - this.#cursor - batch.events);
      this.#cursor = batch.upTo;
      this.#write(batch.frame);
    }
    const terminal = this.#feed.terminalSequence;
    if (terminal !== null && this.#cursor >= terminal) this.end();
  }

  /** The short way of a pass: writes `batch`, made for who keeps up and stands at `from`. False for any other reader. */
  take(from: number, batch: Batch): boolean {
    if (this.#cursor !== from || this.#hasLagged || this.#isEnding) return false;
    this.#cursor = batch.upTo;
    this.#write(batch.frame);
    return true;
  }

  /** A comment, unless bytes are waiting anyway. */
  keepAlive(comment: Frame): void {
    if (!this.#isBlocked && !this.#isEnding) this.#write(comment);
  }

  /** Gives out what is left, says when to come back, and ends the stream. */
  farewell(retry: Frame): void {
    this.deliver();
    this.keepAlive(retry);
    this.end();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#watch.stalled(this);
    this.#sink.end();
  }

  destroy(): void {
    this.#isEnding = true;
    this.#sink.destroy();
  }

  #write(frame: Frame): void {
    this.#watch.wrote(this);
    if (this.#sink.write(frame)) return;
    this.#isBlocked = true;
    this.#hasLagged = true;
    this.#watch.stalled(this);
  }

  #drained(): void {
    if (this.#isEnding) return;
    this.#isBlocked = false;
    this.#watch.recovered(this);
    this.deliver();
  }
}
