import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

export interface Answer {
  /** null when the connection ended before any header. */
  readonly status: number | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The code of the error that ended it; null for a whole answer. */
  readonly error: string | null;
}

export interface Asked {
  /** The bytes of the body so far. */
  readonly received: () => number;
  readonly answer: Promise<Answer>;
  /** Leaves, as a client does that has been cancelled. */
  leave(): void;
}

export type RequestHeaders = Readonly<Record<string, string>>;

/** One request on a connection of its own; follows no redirect and never rejects. */
export function ask(url: string, headers: RequestHeaders = {}, method = 'GET'): Asked {
  const chunks: Buffer[] = [];
  let response: IncomingMessage | null = null;
  const outgoing = request(url, { method, headers, agent: false });
  const answer = new Promise<Answer>((resolve) => {
    const end = (error: string | null): void =>
      resolve({
        status: response?.statusCode ?? null,
        headers: response?.headers ?? {},
        body: Buffer.concat(chunks),
        error,
      });
    const fail = (error: NodeJS.ErrnoException): void => end(error.code ?? error.message);
    outgoing.once('error', fail);
    outgoing.once('response', (incoming) => {
      response = incoming;
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.once('end', () => end(null));
      incoming.once('error', fail);
    });
    outgoing.end();
  });
  return {
    received: () => chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    answer,
    leave: () => outgoing.destroy(),
  };
}

export function get(url: string, headers: RequestHeaders = {}): Promise<Answer> {
  return ask(url, headers).answer;
}

export function head(url: string, headers: RequestHeaders = {}): Promise<Answer> {
  return ask(url, headers, 'HEAD').answer;
}
