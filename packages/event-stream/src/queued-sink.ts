import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Sink } from './sink.ts';

/**
 * A response with chunked HTTP/1.1 over a socket that never takes bytes at once, as that of TLS, which encrypts first: ready-made chunks
 * go through the socket's own queue.
 *
 * Every write waits there for a turn of the event loop, whoever reads. So a reader lags not when something waits, but when the queue has
 * been full for longer than one write: what waits is never more than the socket's high-water mark and two events.
 */
export class QueuedSink implements Sink {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  #onDrain: (() => void) | null = null;
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
    if (this.#isOver || !socket.writable) return false;
    const wasFull = socket.writableLength >= socket.writableHighWaterMark;
    socket.write(chunked);
    if (!wasFull || this.#isBlocked) return !this.#isBlocked;
    this.#isBlocked = true;
    // A listener for as long as it is needed: the connection outlives the stream.
    socket.once('drain', () => this.#drained());
    return false;
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

  #drained(): void {
    this.#isBlocked = false;
    if (!this.#isOver) this.#onDrain?.();
  }
}
