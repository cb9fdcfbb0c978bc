import type { Frame } from '../frame.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Batch, ReaderFeed } from './feed.ts';

/** What a reader reports to its hub. */
export interface ReaderWatch {
  /** Bytes were handed to its sink. */
  wrote(reader: Reader): void;
  /** It takes no more bytes, or its stream has ended but not closed yet. */
  stalled(reader: Reader): void;
  /** It takes bytes again. */
  recovered(reader: Reader): void;
  /** It fell behind, and `events` were left out for it. */
  skipped(events: number): void;
}

/** One open stream: a sink, a cursor into its channel's feed, and whether it lags. Nothing is queued per reader. */
export class Reader {
  /** For the keep-alive wheel: when it was last written to, and its slot. */
  lastTick = 0;
  slot = -1;
  readonly #sink: Sink;
  readonly #feed: ReaderFeed;
  readonly #watch: ReaderWatch;
  #cursor: number;
  #isBlocked = false;
  #hasLagged = false;
  #isEnding = false;

  constructor(sink: Sink, feed: ReaderFeed, watch: ReaderWatch, cursor: number) {
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

  /** Writes pending events until its sink is full, and ends it after the terminal event. */
  deliver(): void {
    while (!this.#isBlocked && !this.#isEnding) {
      const batch = this.#feed.next(this.#cursor, this.#hasLagged);
      if (batch === null) {
        this.#hasLagged = false;
        break;
      }
      if (this.#hasLagged) this.#watch.skipped(batch.skipped);
      this.#cursor = batch.upTo;
      this.#write(batch.frame);
    }
    const terminal = this.#feed.terminalSequence;
    if (terminal !== null && this.#cursor >= terminal) this.end();
  }

  /** The fast path of a pass: writes `batch`, made for readers that keep up and stand at `from`. False for any other reader. */
  tryWrite(from: number, batch: Batch): boolean {
    if (this.#cursor !== from || this.#hasLagged || this.#isEnding) return false;
    this.#cursor = batch.upTo;
    this.#write(batch.frame);
    return true;
  }

  /** Writes a comment, unless bytes are waiting anyway. */
  keepAlive(comment: Frame): void {
    if (!this.#isBlocked && !this.#isEnding) this.#write(comment);
  }

  /** Delivers what is left, says when to reconnect, and ends the stream. */
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
