import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Where a reader's bytes go. One owner; `end` and `destroy` may be called more than once. */
export interface Sink {
  /** False when the bytes were taken but more should wait for `onDrain` (or the reader has gone). */
  write(frame: { readonly chunked: Buffer; readonly plain: Buffer }): boolean;
  /** Ends the stream after what was written. */
  end(): void;
  /** Closes the connection at once. */
  destroy(): void;
  onDrain(listener: () => void): void;
  /** Called exactly once, whoever closed it; at once when it is already closed. */
  onClose(listener: () => void): void;
}

/** What every event stream answers with. Set before the status goes out; `Connection` is left to Node. */
export const SSE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
});

/**
 * Takes over a response whose status and headers are decided; sends them if that has not happened. From here on nobody else may
 * write to it. For a HEAD request it ends the response at once.
 */
export function createResponseSink(response: ServerResponse): Sink {
  const isOpen = () => !response.destroyed && !response.writableEnded;
  if (isOpen()) response.flushHeaders();
  if (response.req?.method === 'HEAD') response.end();
  // With chunked HTTP/1.1 the ready-made chunk can go straight to the socket: `response.write` would make three writes of it.
  // There is no socket while an earlier, pipelined request is being answered, and HTTP/1.0 and HTTP/2 have no chunks.
  const socket = response.chunkedEncoding === true ? response.socket : null;
  socket?.setNoDelay(true);
  const drainSource = socket ?? response;
  let onDrain: (() => void) | null = null;
  return {
    write(frame) {
      if (!isOpen()) return false;
      return socket === null ? response.write(frame.plain) : writeDirect(socket, frame.chunked);
    },
    end() {
      if (isOpen()) response.end();
    },
    destroy() {
      // A response that still waits behind a pipelined one has no socket of its own to close.
      const waitingOn = response.socket === null ? response.req?.socket : null;
      response.destroy();
      waitingOn?.destroy();
    },
    onDrain(listener) {
      onDrain = listener;
      drainSource.on('drain', listener);
    },
    onClose(listener) {
      onceClosed(response, () => {
        // The connection may live on and serve other requests.
        if (onDrain !== null) drainSource.off('drain', onDrain);
        listener();
      });
    },
  };
}

function writeDirect(socket: Socket, chunk: Buffer): boolean {
  if (!socket.writable) return false;
  const hasRoom = socket.write(chunk);
  // Node answers false for any large chunk, also when the kernel has taken all of it. Such a reader keeps up.
  return hasRoom || socket.writableLength === 0;
}

function onceClosed(response: ServerResponse, listener: () => void): void {
  if (response.closed || response.destroyed) listener();
  else response.once('close', listener);
}
