import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Sink } from './sink.ts';

/**
 * A response with chunked HTTP/1.1: ready-made chunks go to the socket itself, where `response.write` would make three writes of each.
 *
 * They go to the lower half of the socket's stream, `_write`, which hands them to the kernel: its upper half, a queue with its own books,
 * costs as much as all the rest of a delivery that is not the kernel's. What that half is for is done here: there is never more than one
 * write on its way, none overtakes what waits in the queue, and an error closes the connection. It also tells more: `write` answers false
 * when the kernel has not taken all, and for no other reason. A socket of TLS has no such half: see `QueuedSink`.
 */
export class DirectSink implements Sink {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  #onDrain: (() => void) | null = null;
  #isWriting = false;
  #isBlocked = false;
  #isOver = false;

  constructor(response: ServerResponse, socket: Socket) {
    this.#response = response;
    this.#socket = socket;
    this.#isOver = response.writableEnded;
    socket.setNoDelay(true);
  }

  write({ chunked }: { readonly chunked: Buffer }): boolean {
    const socket = this.#socket;
    // Not writable is also what the client has half closed.
    if (this.#isOver || this.#isWriting || !socket.writable) return false;
    if (socket.writableLength > 0) return this.#queue(chunked);
    this.#isWriting = true;
    // The callback comes before `_write` returns when the kernel takes all of it, which is nearly always.
    socket._write(chunked, 'buffer' as BufferEncoding, this.#written);
    this.#isBlocked = this.#isWriting;
    return !this.#isBlocked;
  }

  end(): void {
    if (!this.#isOver && !this.#response.destroyed) this.#response.end();
    this.#isOver = true;
  }

  destroy(): void {
    this.#isOver = true;
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  onClose(listener: () => void): void {
    if (this.#response.closed || this.#response.destroyed) listener();
    else this.#response.once('close', listener);
  }

  readonly #written = (error?: Error | null): void => {
    this.#isWriting = false;
    if (error) this.#socket.destroy(error);
    else if (this.#isBlocked) this.#drained();
  };

  /** Behind what waits already: the head of the response, where the kernel had no room for it. */
  #queue(chunk: Buffer): boolean {
    if (this.#socket.write(chunk)) return true;
    this.#socket.once('drain', () => this.#drained());
    return false;
  }

  #drained(): void {
    this.#isBlocked = false;
    this.#onDrain?.();
  }
}
