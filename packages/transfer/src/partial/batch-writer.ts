import type { FileHandle } from 'node:fs/promises';

/** Large enough for few system calls, small enough that the bytes are still in the CPU cache. */
const batchBytes = 512 * 2 ** 10;
/** The system accepts a limited number of buffers per call (IOV_MAX). */
const maxBuffersPerBatch = 512;
/** A second write hides the latency of the first; more would only occupy threads of the pool. */
const maxWritesInFlight = 2;
/** A partial batch is written after this, so that progress is real on a slow connection. */
const lingerMs = 100;

/** The used part of a file handle. */
export type WritableHandle = Pick<FileHandle, 'write' | 'writev'>;

export interface BatchWriterOptions {
  readonly handle: WritableHandle;
  /** Where the first chunk goes. */
  readonly position: number;
  /** All bytes before this offset are in the file. Called in rising order. */
  readonly onFrontier: (frontier: number) => void;
  readonly onError: (error: unknown) => void;
  /** Called with each written chunk, whose memory can be reused. */
  readonly release?: (chunk: Buffer) => void;
}

interface Write {
  readonly end: number;
  isDone: boolean;
}

/**
 * Turns a stream of chunks into batched positioned writes. Concurrent writes end in any order, so the frontier passes a write only when all
 * writes before it are done.
 */
export class BatchWriter {
  readonly #options: BatchWriterOptions;
  readonly #inFlight: Write[] = [];
  #buffers: Buffer[] = [];
  #bufferedBytes = 0;
  #unwrittenBytes = 0;
  #position: number;
  #linger: NodeJS.Timeout | null = null;
  #isFlushing = false;
  #failure: { readonly error: unknown } | null = null;
  #onSettled: (() => void) | null = null;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** Accepted and not yet in the file. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Accepts the chunk that follows the last one. The buffer belongs to the writer from here on. */
  write(chunk: Buffer): void {
    if (this.#failure !== null || chunk.length === 0) return;
    this.#append(chunk);
    this.#bufferedBytes += chunk.length;
    this.#unwrittenBytes += chunk.length;
    if (this.#isBatchReady) this.#dispatch();
    else if (this.#linger === null) this.#linger = setTimeout(() => this.#dispatch(), lingerMs);
  }

  /** Joins chunks that are adjacent in memory. */
  #append(chunk: Buffer): void {
    const last = this.#buffers.at(-1);
    if (last !== undefined && last.buffer === chunk.buffer && last.byteOffset + last.length === chunk.byteOffset) {
      this.#buffers[this.#buffers.length - 1] = Buffer.from(chunk.buffer, last.byteOffset, last.length + chunk.length);
    } else this.#buffers.push(chunk);
  }

  /** Writes what is buffered, without waiting for a full batch. */
  push(): void {
    this.#dispatch();
  }

  /** Writes the rest and waits for all writes. Rejects with the first error; no further chunk is accepted. */
  async flush(): Promise<void> {
    this.#isFlushing = true;
    this.#dispatch();
    if (this.#inFlight.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
      });
    }
    this.#stopLinger();
    if (this.#failure !== null) throw this.#failure.error;
  }

  get #isBatchReady(): boolean {
    return this.#bufferedBytes >= batchBytes || this.#buffers.length >= maxBuffersPerBatch;
  }

  #dispatch(): void {
    this.#stopLinger();
    if (this.#bufferedBytes === 0 || this.#failure !== null || this.#inFlight.length >= maxWritesInFlight) return;
    const { buffers, bytes } = this.#takeBatch();
    const write: Write = { end: this.#position + bytes, isDone: false };
    this.#inFlight.push(write);
    const start = this.#position;
    this.#position = write.end;
    this.#bufferedBytes -= bytes;
    writeAll(this.#options.handle, buffers, start, bytes).then(
      () => {
        if (this.#options.release) for (const buffer of buffers) this.#options.release(buffer);
        this.#settle(write, bytes, null);
      },
      (error: unknown) => this.#settle(write, bytes, { error }),
    );
  }

  /** One batch at most, even if more has piled up: larger writes read memory that has left the cache. */
  #takeBatch(): { readonly buffers: Buffer[]; readonly bytes: number } {
    let count = 0;
    let bytes = 0;
    while (count < maxBuffersPerBatch && bytes < batchBytes) {
      const next = this.#buffers[count];
      if (next === undefined) break;
      bytes += next.length;
      count += 1;
    }
    return { buffers: this.#buffers.splice(0, count), bytes };
  }

  #settle(write: Write, bytes: number, failure: { readonly error: unknown } | null): void {
    write.isDone = true;
    this.#unwrittenBytes -= bytes;
    if (failure !== null && this.#failure === null) {
      this.#failure = failure;
      this.#options.onError(failure.error);
    }
    this.#advance();
    if (this.#isBatchReady || this.#isFlushing) this.#dispatch();
    else if (this.#bufferedBytes > 0 && this.#linger === null) {
      this.#linger = setTimeout(() => this.#dispatch(), lingerMs);
    }
    if (this.#inFlight.length === 0) this.#onSettled?.();
  }

  #advance(): void {
    let frontier: number | null = null;
    while (this.#inFlight[0]?.isDone === true) frontier = this.#inFlight.shift()?.end ?? null;
    // After a failure later bytes may have a hole before them, so the frontier stays.
    if (frontier !== null && this.#failure === null) this.#options.onFrontier(frontier);
  }

  #stopLinger(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
  }
}

/** Writes all buffers at an offset; the system may write fewer bytes than it was given. */
async function writeAll(handle: WritableHandle, buffers: Buffer[], position: number, bytes: number): Promise<void> {
  let { bytesWritten } = await handle.writev(buffers, position);
  if (bytesWritten === bytes) return;
  const rest = Buffer.concat(buffers);
  while (bytesWritten < bytes) {
    const more = await handle.write(rest, bytesWritten, bytes - bytesWritten, position + bytesWritten);
    if (more.bytesWritten === 0) throw new Error('the file accepts no more bytes');
    bytesWritten += more.bytesWritten;
  }
}
