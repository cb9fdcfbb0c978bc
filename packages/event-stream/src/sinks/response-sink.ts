import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { DirectSink } from './direct-sink.ts';
import { QueuedSink } from './queued-sink.ts';
import type { Sink } from './sink.ts';
import { socketDescriptor } from './socket-descriptor.ts';

/** The headers of every event stream. Set before the status goes out; `Connection` is left to Node. */
export const SSE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
});

/**
 * Takes over a response whose status and headers are decided; sends them if that has not happened yet. From here on nobody else may
 * write to it. Ends the response to a HEAD request immediately.
 */
export function createResponseSink(response: ServerResponse): Sink {
  if (isOpen(response)) response.flushHeaders();
  if (response.req?.method === 'HEAD') response.end();
  // A response has no socket while an earlier, pipelined request is being served, and HTTP/1.0 and HTTP/2 have no chunks.
  const socket = response.chunkedEncoding === true ? response.socket : null;
  if (!(socket instanceof Socket)) return createPlainSink(response);
  const descriptor = isEncrypted(socket) ? null : socketDescriptor(socket);
  return descriptor === null ? new QueuedSink(response, socket) : new DirectSink(response, socket, descriptor);
}

function createPlainSink(response: ServerResponse): Sink {
  return {
    write: (frame) => isOpen(response) && response.write(frame.plain),
    end() {
      if (isOpen(response)) response.end();
    },
    destroy() {
      // A response that still waits behind a pipelined one has no socket of its own to close.
      const waitingOn = response.socket === null ? response.req?.socket : null;
      response.destroy();
      waitingOn?.destroy();
    },
    onDrain: (listener) => void response.on('drain', listener),
    onClose(listener) {
      if (response.closed || response.destroyed) listener();
      else response.once('close', listener);
    },
  };
}

const isOpen = (response: ServerResponse): boolean => !response.destroyed && !response.writableEnded;

// By its mark: the class would load all of TLS for programs that never use it.
const isEncrypted = (socket: Socket): boolean => 'encrypted' in socket && socket.encrypted === true;
