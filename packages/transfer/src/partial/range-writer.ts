import { BatchWriter, type WritableHandle } from './batch-writer.ts';
import type { Span } from './spans.ts';

/** Above this the senders of a file are paused until the disk has caught up: limits the memory of one transfer. */
const maxUnwrittenBytes = 8 * 2 ** 20;

export interface WriteListener {
  /** More of the given chunks is in the file. */
  readonly onWritten: () => void;
  /** After a `write` that returned false: the sender may continue. */
  readonly onReady: () => void;
  readonly onError: (error: unknown) => void;
}

/** Writes consecutive chunks. Ends with `flush`. */
export interface RangeWriter {
  /** Everything before this offset is in the file. */
  readonly written: number;
  /** Accepts the next chunk. False: send no more until `onReady`. */
  write(chunk: Buffer): boolean;
  /** Waits until all chunks are written; rejects with the first error. */
  flush(): Promise<void>;
}

export interface WriterSetOptions {
  readonly handle: WritableHandle;
  /** Another reason for the senders to wait. */
  readonly mustWait: () => boolean;
  /** Called before the writer's own listener. */
  readonly onWritten: (span: Span) => void;
  readonly release?: (chunk: Buffer) => void;
}

interface Member {
  readonly writer: BatchWriter;
  readonly listener: WriteListener;
  isHeld: boolean;
}

/** Several writers into one file that share one memory limit. */
export class WriterSet {
  readonly #options: WriterSetOptions;
  readonly #members = new Set<Member>();
  #failure: { readonly error: unknown } | null = null;

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
        // The others heard of it when it happened.
        if (this.#failure !== null) listener.onError(this.#failure.error);
        writer.write(chunk);
        member.isHeld = this.#mustHold;
        // Partial batches would wait forever: nobody sends the rest of them.
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

  /** Resumes waiting senders if there is no reason to wait any more. */
  release(): void {
    if (this.#mustHold) return;
    for (const member of this.#members) {
      if (!member.isHeld) continue;
      member.isHeld = false;
      member.listener.onReady();
    }
  }

  /** Ends all writers, also those that are opened later. */
  fail(error: unknown): void {
    this.#failure = { error };
    for (const { listener } of this.#members) listener.onError(error);
  }

  get #mustHold(): boolean {
    let unwritten = 0;
    for (const { writer } of this.#members) unwritten += writer.unwrittenBytes;
    return unwritten >= maxUnwrittenBytes || this.#options.mustWait();
  }
}
