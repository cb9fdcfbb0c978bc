import { ChunkSink } from './chunk-sink.ts';

/**
 * A response with chunked HTTP/1.1 over a socket that never takes bytes at once, as that of TLS, which encrypts first: ready-made chunks
 * go through the socket's own queue.
 *
 * Every write waits there for a turn of the event loop, whoever reads. So a reader lags not when something waits, but when the queue has
 * been full for longer than one write: what waits is never more than the socket's high-water mark and two events.
 */
export class QueuedSink extends ChunkSink {
  #isBlocked = false;

  write({ chunked }: { readonly chunked: Buffer }): boolean {
    const socket = this.socket;
    if (this.isOver || !socket.writable) return false;
    const wasFull = socket.writableLength >= socket.writableHighWaterMark;
    socket.write(chunked);
    if (!wasFull || this.#isBlocked) return !this.#isBlocked;
    this.#isBlocked = true;
    // A listener for as long as it is needed: the connection outlives the stream.
    socket.once('drain', () => this.#drained());
    return false;
  }

  #drained(): void {
    this.#isBlocked = false;
    this.tellDrained();
  }
}
