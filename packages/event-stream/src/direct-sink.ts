import { ChunkSink } from './chunk-sink.ts';

/**
 * A response with chunked HTTP/1.1: ready-made chunks go to the socket itself, where `response.write` would make three writes of each.
 *
 * With nothing waiting there they go to the lower half of its stream, `_write`, which hands them to the kernel: the upper
 * half, a queue with its own books, costs as much as all the rest of a delivery that is not the kernel's. Node keeps `_write` for the
 * stream itself, so it is used only where the upper half has nothing to lose by it: nothing is queued there that could be overtaken, and
 * what is queued behind a write on its way goes to the kernel after it, since libuv keeps the order. It also tells more: `write` answers
 * false when the kernel has not taken all, and for no other reason.
 *
 * What comes while something waits takes the public way, `socket.write`. A socket of TLS has no such lower half: see `QueuedSink`.
 */
export class DirectSink extends ChunkSink {
  /** A write of our own is on its way to the kernel. */
  #isWriting = false;
  /** The socket's queue is full. */
  #isQueueFull = false;
  /** The last answer was false, so that somebody waits for the drain. */
  #isBlocked = false;

  write({ chunked }: { readonly chunked: Buffer }): boolean {
    const socket = this.socket;
    // Not writable is also what the client has half closed.
    if (this.isOver || !socket.writable) return false;
    if (this.#isWriting || socket.writableLength > 0) return this.#queue(chunked);
    this.#isWriting = true;
    // The callback comes before `_write` returns when the kernel takes all of it, which is nearly always.
    socket._write(chunked, 'buffer' as BufferEncoding, this.#written);
    this.#isBlocked = this.#isWriting;
    return !this.#isBlocked;
  }

  readonly #written = (error?: Error | null): void => {
    this.#isWriting = false;
    if (error) this.socket.destroy(error);
    else this.#drained();
  };

  /** Behind what waits already: an earlier chunk, or the head of the response where the kernel had no room for it. */
  #queue(chunk: Buffer): boolean {
    if (!this.socket.write(chunk) && !this.#isQueueFull) {
      this.#isQueueFull = true;
      this.socket.once('drain', () => {
        this.#isQueueFull = false;
        this.#drained();
      });
    }
    this.#isBlocked = this.#isQueueFull || this.#isWriting;
    return !this.#isBlocked;
  }

  #drained(): void {
    if (!this.#isBlocked || this.#isWriting || this.#isQueueFull) return;
    this.#isBlocked = false;
    this.tellDrained();
  }
}
