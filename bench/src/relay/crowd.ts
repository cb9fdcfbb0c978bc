import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createStampReader } from './stamp-reader.ts';

export interface CrowdOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly path: string;
  readonly readers: number;
  readonly onStamp: (us: number) => void;
}

/** Open streams that read whatever comes. */
export interface Crowd {
  /** That their server has closed. */
  readonly lost: number;
  close(): void;
}

const host = '127.0.0.1';
/** Under the backlog of any of the servers. */
const connectingAtOnce = 100;
const readBytes = 64 * 1024;

/** Opens all streams and waits until each has its headers. @throws Error when one is not answered with 200 */
export async function gather({ port, path, readers, onStamp }: CrowdOptions): Promise<Crowd> {
  const sockets: Socket[] = [];
  // All of them are read in turn, so one buffer serves all.
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nAccept: text/event-stream\r\n\r\n`;
  let lost = 0;
  while (sockets.length < readers) {
    const next = Array.from({ length: Math.min(connectingAtOnce, readers - sockets.length) }, () =>
      openStream(port, request, buffer, onStamp),
    );
    for (const socket of await Promise.all(next)) {
      socket.once('close', () => {
        lost += 1;
      });
      sockets.push(socket);
    }
  }
  return {
    get lost() {
      return lost;
    },
    close() {
      // A reset leaves no port in TIME_WAIT, of which the system has not enough for some rounds of ten thousand.
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

async function openStream(
  port: number,
  request: string,
  buffer: Buffer,
  onStamp: (us: number) => void,
): Promise<Socket> {
  const answered = Promise.withResolvers<void>();
  const stamps = createStampReader(onStamp);
  let head = '';
  const socket = connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer,
      callback(length) {
        const bytes = buffer.subarray(0, length);
        if (head !== 'done') {
          head += bytes.toString('latin1');
          if (!head.includes('\r\n\r\n')) return true;
          if (/^HTTP\/1\.1 200 /.test(head)) answered.resolve();
          else answered.reject(new Error(`not a stream: ${head.slice(0, head.indexOf('\r\n'))}`));
          head = 'done';
        }
        stamps.read(bytes);
        return true;
      },
    },
  });
  socket.on('error', answered.reject);
  socket.once('close', () => answered.reject(new Error('closed before its headers came')));
  await once(socket, 'connect');
  socket.write(request);
  await answered.promise;
  return socket;
}
