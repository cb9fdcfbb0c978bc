import { randomUUID } from 'node:crypto';
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, RbeeError, toErrorBody } from '@rbee/contract';
import type { FastifyBaseLogger } from 'fastify';

interface SocketAnswer {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly headers?: readonly string[];
}

const NOT_HTTP: SocketAnswer = { status: 400, code: 'REQUEST_INVALID', message: 'this is not a well-formed request' };
const ANSWERS: Readonly<Record<string, SocketAnswer>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'REQUEST_INVALID', message: 'the headers are larger than 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'REQUEST_INVALID', message: 'the request came too slowly' },
};
const NO_TUNNEL: SocketAnswer = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'this is no proxy',
  headers: ['Allow: GET, HEAD, POST, PATCH, DELETE'],
};

/**
 * Answers with the error envelope what never becomes a request for a route: what is no HTTP, too large or too slow, and
 * the ways of HTTP that the API has no use for. After it the connection is closed, since nobody knows where the next
 * request would begin.
 */
export function answerClientErrors(server: Server, log: FastifyBaseLogger): void {
  // An answer that has begun must not get another one in its middle.
  const answering = new WeakMap<Duplex, ServerResponse>();
  server.prependListener('request', (request, response) => answering.set(request.socket, response));
  const refuse = (socket: Duplex, answer: SocketAnswer) => {
    const hasBegun = answering.get(socket)?.headersSent ?? false;
    if (hasBegun || !socket.writable) socket.destroy();
    else end(socket, answer);
  };
  // The framework's own answer has no envelope, and logs the bytes of the request, its token among them.
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    log.debug({ code: error.code }, 'a client sent what is not a request');
    if (error.code === 'ECONNRESET') return void socket.destroy();
    refuse(socket, ANSWERS[error.code ?? ''] ?? NOT_HTTP);
  });
  // By default it goes the way of the others, but there is no TLS yet over which an answer could ever be sent.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    log.debug({ code: error.code }, 'a client did not come to an end with the TLS handshake');
    socket.destroy();
  });
  server.on('connect', (_request, socket) => refuse(socket, NO_TUNNEL));
  // Nothing is expected of this server but an answer, which it gives.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

function end(socket: Duplex, { status, code, message, headers = [] }: SocketAnswer): void {
  const requestId = randomUUID();
  const body = JSON.stringify(toErrorBody(new RbeeError(code, message), requestId));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    ...headers,
  ];
  socket.on('error', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
