import { writeSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ChunkSink } from './chunk-sink.ts';

/**
 * A response with chunked HTTP/1.1: ready-made chunks go to the socket itself, where `response.write` would make three writes of each.
 *
 * With nothing waiting there they go to its descriptor, which never blocks: the socket's stream makes an object for each write and keeps
 * books of it, which costs as much as all the rest of a delivery that is not the kernel's. Nothing can be overtaken, since what the
 * kernel does not take at once goes into the socket's queue, and everything after it does too until that is empty. The socket itself
 * does not see these bytes, neither in `bytesWritten` nor as activity, so it must have no idle timeout.
 *
 * A socket of TLS encrypts first and has no such descriptor: see `QueuedSink`.
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
    // Not writable is also what the client has half closed. A socket that is closed is not writable from before its descriptor is free
    // for another one.
    if (this.isOver || !socket.writable) return false;
    if (socket.writableLength > 0) return this.#queue(chunked);
    const written = this.#toKernel(chunked);
    if (written === chunked.length) return true;
    return written === null ? false : this.#queue(chunked.subarray(written));
  }

  /** How many bytes it took; null when the connection is broken. */
  #toKernel(chunk: Buffer): number | null {
    try {
      return writeSync(this.#descriptor, chunk);
    } catch (error) {
      if (isFull(error)) return 0;
      this.socket.destroy(error as Error);
      return null;
    }
  }

  /** Behind what waits already: an earlier chunk, or the head of the response where the kernel had no room for it. */
  #queue(chunk: Buffer): false {
    this.#queued += 1;
    this.socket.write(chunk, this.#dequeued);
    return false;
  }

  readonly #dequeued = (error?: Error | null): void => {
    this.#queued -= 1;
    if (!error && this.#queued === 0) this.tellDrained();
  };
}

const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EAGAIN';
