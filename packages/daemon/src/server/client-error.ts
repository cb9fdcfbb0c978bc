import { randomUUID } from 'node:crypto';
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, RbeeError, toErrorBody } from '@rbee/contract';
import type { FastifyBaseLogger } from 'fastify';

interface SocketReply {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly headers?: readonly string[];
}

const NOT_HTTP: SocketReply = { status: 400, code: 'REQUEST_INVALID', message: 'malformed HTTP request' };
const REPLIES: Readonly<Record<string, SocketReply>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'REQUEST_INVALID', message: 'the headers exceed 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'REQUEST_INVALID', message: 'the request was sent too slowly' },
};
const NO_TUNNEL: SocketReply = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'this server is not a proxy',
  headers: ['Allow: GET, HEAD, POST, PATCH, DELETE'],
};

/**
 * Sends the error envelope for input that never reaches a route: malformed, oversized or slow requests, and features of
 * HTTP that the API does not use. Then closes the connection, since the start of the next request is unknown.
 */
export function answerClientErrors(server: Server, log: FastifyBaseLogger): void {
  // A response that has started must not get another one in its middle.
  const responses = new WeakMap<Duplex, ServerResponse>();
  server.prependListener('request', (request, response) => responses.set(request.socket, response));
  const refuse = (socket: Duplex, reply: SocketReply) => {
    const hasBegun = responses.get(socket)?.headersSent ?? false;
    if (hasBegun || !socket.writable) socket.destroy();
    else end(socket, reply);
  };
  // fastify's own handler sends no envelope, and logs the bytes of the request, including the token.
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    log.debug({ code: error.code }, 'malformed request');
    if (error.code === 'ECONNRESET') return void socket.destroy();
    refuse(socket, REPLIES[error.code ?? ''] ?? NOT_HTTP);
  });
  // By default this becomes a clientError, but without TLS no response can be sent.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    log.debug({ code: error.code }, 'TLS handshake failed');
    socket.destroy();
  });
  server.on('connect', (_request, socket) => refuse(socket, NO_TUNNEL));
  // An Expect header changes nothing: handle the request as usual.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

function end(socket: Duplex, { status, code, message, headers = [] }: SocketReply): void {
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
