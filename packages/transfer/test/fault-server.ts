import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One answer. What it leaves open stays open until the server is closed. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface SeenRequest {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export interface FaultServer {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  readonly openSockets: number;
  /** Sockets that were ever accepted. */
  readonly acceptedSockets: number;
  /** Body bytes given to the sockets so far. */
  readonly bytesSent: number;
  /** Answers for the next requests, in order; then `fallback` answers all others. */
  script(...answers: Answer[]): void;
  fallback(answer: Answer): void;
  /** Resolves when the condition holds; looked at whenever something happens at the server. */
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

const sliceBytes = 64 * 1024;

/** A plain HTTP server on loopback whose every answer is scripted. */
export async function startFaultServer(fallback: Answer): Promise<FaultServer> {
  const sockets = new Set<Socket>();
  const requests: SeenRequest[] = [];
  const waiters = new Set<() => void>();
  const answers: Answer[] = [];
  let last = fallback;
  let bytesSent = 0;
  let acceptedSockets = 0;
  const changed = () => {
    for (const look of waiters) look();
  };
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    requests.push({ url: request.url ?? '', headers: request.headers });
    const write = response.write.bind(response);
    response.write = ((chunk: Buffer) => {
      bytesSent += chunk.length;
      queueMicrotask(changed);
      return write(chunk);
    }) as typeof response.write;
    (answers.shift() ?? last)(request, response);
    changed();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    acceptedSockets += 1;
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      changed();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get openSockets() {
      return sockets.size;
    },
    get acceptedSockets() {
      return acceptedSockets;
    },
    get bytesSent() {
      return bytesSent;
    },
    script: (...more) => void answers.push(...more),
    fallback: (answer) => {
      last = answer;
    },
    until: (condition) =>
      new Promise((resolve) => {
        const look = () => {
          if (!condition()) return;
          waiters.delete(look);
          resolve();
        };
        waiters.add(look);
        look();
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface ServedFile {
  readonly content: Buffer;
  readonly etag?: string;
}

export interface ServeOptions {
  /** Sends only this many bytes of the body and then does what `after` says; the default cuts the connection. */
  readonly bytes?: number;
  readonly after?: (response: ServerResponse) => void;
  readonly ignoreRange?: boolean;
  /** Of this one answer; asked for each slice. */
  readonly bytesPerSecond?: number | (() => number);
  readonly headers?: Readonly<Record<string, string>>;
}

const cut = (response: ServerResponse): void => void response.socket?.destroy();
export const reset = (response: ServerResponse): void => void response.socket?.resetAndDestroy();
export const stall = (): void => {};

/** Serves a file as a good server does (Range, If-Range, ETag, 416), apart from what the options break. */
export function serve(file: ServedFile, options: ServeOptions = {}): Answer {
  return (request, response) => {
    const { content, etag } = file;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const isRanged = range !== null && options.ignoreRange !== true && (condition === undefined || condition === etag);
    const start = isRanged ? Number(range[1]) : 0;
    const headers = { 'accept-ranges': 'bytes', ...(etag === undefined ? {} : { etag }), ...options.headers };
    if (start >= content.length && isRanged) {
      response.writeHead(416, { ...headers, 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const last = isRanged && range[2] ? Math.min(Number(range[2]), content.length - 1) : content.length - 1;
    const body = content.subarray(start, last + 1);
    response.writeHead(isRanged ? 206 : 200, {
      'content-length': body.length,
      ...(isRanged ? { 'content-range': `bytes ${start}-${last}/${content.length}` } : {}),
      ...headers,
    });
    const { bytes = body.length, after = options.bytes === undefined ? finish : cut } = options;
    send(response, body.subarray(0, bytes), () => after(response), options.bytesPerSecond);
  };
}

const finish = (response: ServerResponse): void => void response.end();

/** What a busy machine holds up is not made up for: a burst would look like a fast server. */
const maxLagMs = 5;

/** Writes in slices, no faster than the socket takes them or the rate allows; `done` is called when all have gone out. */
export function send(
  response: ServerResponse,
  body: Buffer,
  done: () => void,
  bytesPerSecond: number | (() => number) = Number.POSITIVE_INFINITY,
): void {
  const sliceMs = () => (sliceBytes / (typeof bytesPerSecond === 'number' ? bytesPerSecond : bytesPerSecond())) * 1_000;
  let dueMs = performance.now();
  const next = (from: number): void => {
    if (from >= body.length) {
      if (response.writableNeedDrain) response.once('drain', done);
      else done();
      return;
    }
    const aheadMs = dueMs - performance.now();
    if (aheadMs > 1) {
      setTimeout(() => {
        if (!response.destroyed) next(from);
      }, aheadMs);
      return;
    }
    dueMs += Math.max(0, -aheadMs - maxLagMs) + sliceMs();
    const slice = body.subarray(from, from + sliceBytes);
    if (response.write(slice)) next(from + slice.length);
    else response.once('drain', () => next(from + slice.length));
  };
  if (body.length === 0) {
    response.flushHeaders();
    done();
  } else next(0);
}

/** Whether a request is for a part that does not begin with the file. */
export function isForRest({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return /^bytes=[1-9]/.test(headers.range ?? '');
}

/** Answers with a status and nothing else. */
export function refuse(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => void response.writeHead(status, headers).end('no');
}
