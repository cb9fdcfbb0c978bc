import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Sink } from './sink.ts';

/** A response with chunked HTTP/1.1 whose ready-made chunks go to its socket: `response.write` would make three writes of each. */
export abstract class ChunkSink implements Sink {
  protected readonly socket: Socket;
  protected isOver: boolean;
  readonly #response: ServerResponse;
  #onDrain: (() => void) | null = null;

  constructor(response: ServerResponse, socket: Socket) {
    this.#response = response;
    this.socket = socket;
    this.isOver = response.writableEnded;
    socket.setNoDelay(true);
  }

  abstract write(frame: { readonly chunked: Buffer }): boolean;

  end(): void {
    if (!this.isOver && !this.#response.destroyed) this.#response.end();
    this.isOver = true;
  }

  destroy(): void {
    this.isOver = true;
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  onClose(listener: () => void): void {
    if (this.#response.closed || this.#response.destroyed) listener();
    else this.#response.once('close', listener);
  }

  protected emitDrain(): void {
    if (!this.isOver) this.#onDrain?.();
  }
}
