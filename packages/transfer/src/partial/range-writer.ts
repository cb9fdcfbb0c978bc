import { BatchWriter, type WritableHandle } from './batch-writer.ts';
import type { Span } from './spans.ts';

/** Above this the senders of a file are paused until the disk has caught up: the bound of one transfer's memory. */
const maxUnwrittenBytes = 8 * 2 ** 20;

export interface WriteListener {
  /** More of what was given is in the file. */
  readonly onWritten: () => void;
  /** After a `write` that answered false: the sender may go on. */
  readonly onReady: () => void;
  readonly onError: (error: unknown) => void;
}

/** Writes chunks one behind another. Ends with `flush`. */
export interface RangeWriter {
  /** All that was given before this offset is in the file. */
  readonly written: number;
  /** Takes the next chunk. False: send no more until `onReady`. */
  write(chunk: Buffer): boolean;
  /** Waits until all chunks are written; rejects with the first error. */
  flush(): Promise<void>;
}

export interface WriterSetOptions {
  readonly handle: WritableHandle;
  /** Something else that the senders have to wait for. */
  readonly mustWait: () => boolean;
  /** Told before the writer's own listener. */
  readonly onWritten: (span: Span) => void;
  readonly release?: (chunk: Buffer) => void;
}

interface Member {
  readonly writer: BatchWriter;
  readonly listener: WriteListener;
  isHeld: boolean;
}

/** Several writers into one file, which together hold no more than one may, however many they are. */
export class WriterSet {
  readonly #options: WriterSetOptions;
  readonly #members = new Set<Member>();

  constructor(options: WriterSetOptions) {
    this.#options = options;
  }

  open(start: number, listener: WriteListener): RangeWriter {
    let written = start;
    const { handle, onWritten, release } = this.#options;
    const writer = new BatchWriter({
      handle,
      ...(release === undefined ? {} : { release }),
      position: start,
      onError: listener.onError,
      onFrontier: (frontier) => {
        const span: Span = [written, frontier];
        written = frontier;
        onWritten(span);
        listener.onWritten();
        this.release();
      },
    });
    const member: Member = { writer, listener, isHeld: false };
    this.#members.add(member);
    return {
      get written() {
        return written;
      },
      write: (chunk) => {
        writer.write(chunk);
        member.isHeld = this.#mustHold;
        // What waits for a full batch would wait in vain, for nobody sends the rest of it.
        if (member.isHeld) for (const other of this.#members) other.writer.push();
        return !member.isHeld;
      },
      flush: async () => {
        member.isHeld = false;
        try {
          await writer.flush();
        } finally {
          this.#members.delete(member);
          this.release();
        }
      },
    };
  }

  /** Lets the senders go on that wait, where nothing keeps them any more. */
  release(): void {
    if (this.#mustHold) return;
    for (const member of this.#members) {
      if (!member.isHeld) continue;
      member.isHeld = false;
      member.listener.onReady();
    }
  }

  fail(error: unknown): void {
    for (const { listener } of this.#members) listener.onError(error);
  }

  get #mustHold(): boolean {
    let unwritten = 0;
    for (const { writer } of this.#members) unwritten += writer.unwrittenBytes;
    return unwritten >= maxUnwrittenBytes || this.#options.mustWait();
  }
}
