import { writeSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ChunkSink } from './chunk-sink.ts';

/**
 * A response with chunked HTTP/1.1 whose ready-made chunks go straight to the socket's descriptor while its queue is empty.
 *
 * The descriptor never blocks, and it skips the bookkeeping of the socket's stream, which costs as much per write as everything else
 * outside the kernel. The order is kept: bytes that the kernel does not take immediately go into the socket's queue, and so does
 * everything after them until the queue is empty. The socket itself does not see direct writes, neither in `bytesWritten` nor as
 * activity, so it must have no idle timeout.
 *
 * A TLS socket encrypts first and has no such descriptor: see `QueuedSink`.
 */
export class DirectSink extends ChunkSink {
  readonly #descriptor: number;
  /** Writes of ours in the socket's queue. */
  #queued = 0;

  constructor(response: ServerResponse, socket: Socket, descriptor: number) {
    super(response, socket);
    this.#descriptor = descriptor;
  }

  write({ chunked }: { readonly chunked: Buffer }): boolean {
    const { socket } = this;
    // A socket that the client has half closed is not writable either, and a closed one stops being writable before its descriptor can
    // be reused.
    if (this.isOver || !socket.writable) return false;
    if (socket.writableLength > 0) return this.#queue(chunked);
    const written = this.#toKernel(chunked);
    if (written === chunked.length) return true;
    return written === null ? false : this.#queue(chunked.subarray(written));
  }

  /** Bytes written; null when the connection is broken. */
  #toKernel(chunk: Buffer): number | null {
    try {
      return writeSync(this.#descriptor, chunk);
    } catch (error) {
      if (isFull(error)) return 0;
      this.socket.destroy(error as Error);
      return null;
    }
  }

  /** Appends to what is waiting: earlier chunks, or response headers that did not fit into the kernel. */
  #queue(chunk: Buffer): false {
    this.#queued += 1;
    this.socket.write(chunk, this.#dequeued);
    return false;
  }

  readonly #dequeued = (error?: Error | null): void => {
    this.#queued -= 1;
    if (!error && this.#queued === 0) this.emitDrain();
  };
}

const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EAGAIN';
