import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseEvents } from './parse-events.ts';
import { waitFor } from './wait-for.ts';

interface RawResponse {
  head: string;
  /** Body bytes so far, without chunk framing. */
  body: string;
  /** The last chunk came. */
  isComplete: boolean;
}

/** A client that sees the bytes: it opens a socket, writes raw requests and parses HTTP/1.1 framing strictly. */
export interface RawClient {
  readonly socket: Socket;
  readonly bytes: Buffer;
  readonly isClosed: boolean;
  request(lines?: { method?: string; version?: string; headers?: Record<string, string> }): void;
  responses(): RawResponse[];
  ids(): string[];
  waitForText(text: string): Promise<void>;
}

/** `ca`: over TLS, and what it trusts. */
export async function openRawClient(port: number, ca?: string | Buffer): Promise<RawClient> {
  const socket = ca === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ca });
  // Grows by doubling: a test that looks at the bytes after each event must not copy all of them each time.
  let buffer: Buffer = Buffer.alloc(64 * 1024);
  let length = 0;
  let isClosed = false;
  socket.on('data', (chunk) => {
    if (length + chunk.length > buffer.length) {
      const larger = Buffer.alloc(2 * (length + chunk.length));
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
    length += chunk.copy(buffer, length);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  await new Promise<void>((resolve) => socket.once(ca === undefined ? 'connect' : 'secureConnect', resolve));
  const bytes = () => buffer.subarray(0, length);
  const responses = () => parseResponses(bytes());
  return {
    socket,
    get bytes() {
      return bytes();
    },
    get isClosed() {
      return isClosed;
    },
    request({ method = 'GET', version = '1.1', headers = {} } = {}) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`${method} / HTTP/${version}\r\nHost: 127.0.0.1\r\n${lines.join('')}\r\n`);
    },
    responses,
    ids: () => responses().flatMap((response) => parseEvents(response.body).events.map((event) => event.id ?? '')),
    waitForText: (text) => waitFor(() => bytes().includes(text), `the text ${JSON.stringify(text)}`),
  };
}

function parseResponses(bytes: Buffer): RawResponse[] {
  const responses: RawResponse[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const headEnd = bytes.indexOf('\r\n\r\n', offset);
    if (headEnd === -1) break;
    const head = bytes.toString('latin1', offset, headEnd);
    if (!head.startsWith('HTTP/1.1 ')) throw new Error(`not a status line: ${head.slice(0, 40)}`);
    offset = headEnd + 4;
    const response: RawResponse = { head, body: '', isComplete: false };
    responses.push(response);
    if (/^HTTP\/1\.1 (204|304)/.test(head)) response.isComplete = true;
    else if (/transfer-encoding: chunked/i.test(head)) offset = readChunks(bytes, offset, response);
    else {
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
      response.body = bytes.toString('utf8', offset, Math.min(offset + length, bytes.length));
      response.isComplete = bytes.length >= offset + length;
      offset = Math.min(offset + length, bytes.length);
    }
  }
  return responses;
}

function readChunks(bytes: Buffer, start: number, response: RawResponse): number {
  const parts: Buffer[] = [];
  let offset = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', offset);
    if (lineEnd === -1) break;
    const line = bytes.toString('latin1', offset, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line.slice(0, 40))}`);
    const size = Number.parseInt(line, 16);
    const end = lineEnd + 2 + size;
    if (end + 2 > bytes.length) break;
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error('a chunk does not end where it says');
    parts.push(bytes.subarray(lineEnd + 2, end));
    offset = end + 2;
    if (size === 0) {
      response.isComplete = true;
      break;
    }
  }
  response.body = Buffer.concat(parts).toString();
  return response.isComplete ? offset : bytes.length;
}
