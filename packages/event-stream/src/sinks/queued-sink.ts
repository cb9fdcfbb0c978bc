import { ChunkSink } from './chunk-sink.ts';

/**
 * A response with chunked HTTP/1.1 whose ready-made chunks go through the socket's own queue: for TLS, which encrypts first, and for
 * sockets without a known descriptor.
 *
 * Every write waits there for a turn of the event loop, however fast the reader is. So a reader lags only when the queue stays full for
 * longer than one write; it never holds more than the socket's high-water mark and two events.
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
    // Only for as long as it is needed: the connection outlives the stream.
    socket.once('drain', () => this.#drained());
    return false;
  }

  #drained(): void {
    this.#isBlocked = false;
    this.emitDrain();
  }
}
