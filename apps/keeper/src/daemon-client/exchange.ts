import type { IncomingMessage } from 'node:http';
import { KeeperError } from '../errors/keeper-error.ts';
import { unreachable } from './unreachable.ts';

// One request and its answer, over Node's own client: what lists and completions need, and loaded in a moment.

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** The largest answer that is read. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

export interface DaemonAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

export interface AskedDaemon extends DaemonAddress {
  /** Who is asked, for messages. */
  readonly daemon: 'queen' | 'hive';
}

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With its parameters filled in. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly requestId?: string;
  readonly signal: AbortSignal;
}

export interface Exchange {
  readonly status: number;
  /** The JSON of the answer; undefined where it is none. */
  readonly body: unknown;
  /** When it was answered, by the daemon's clock: the `Date` header. */
  readonly date: string | null;
}

/** @throws KeeperError QUEEN_UNREACHABLE or ANSWER_UNEXPECTED; the signal's reason on abort */
export async function exchange(at: AskedDaemon, asked: ExchangeRequest): Promise<Exchange> {
  const deadline = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    const response = await send(at, asked, AbortSignal.any([asked.signal, deadline]));
    const { statusCode, headers } = response;
    return { status: statusCode ?? 0, body: parseJson(await readText(response, at)), date: headers.date ?? null };
  } catch (error) {
    asked.signal.throwIfAborted();
    if (error instanceof KeeperError) throw error;
    if (deadline.aborted) throw unreachable(at, `no answer within ${REQUEST_TIMEOUT_MS / 1_000} s`);
    throw unreachable(at, error);
  }
}

/** Whether a daemon answers there within the time given. Never rejects. */
export async function answers(at: AskedDaemon, timeoutMs: number): Promise<boolean> {
  const asked = { method: 'GET', path: '/health', signal: AbortSignal.timeout(timeoutMs) } as const;
  return exchange(at, asked).then(
    ({ status, body }) => status === 200 && typeof body === 'object' && body !== null && 'status' in body,
    () => false,
  );
}

function send(at: AskedDaemon, asked: ExchangeRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(`${at.url}${asked.path}`);
  for (const [name, value] of Object.entries(asked.query ?? {})) url.searchParams.append(name, value);
  const body = asked.body === undefined ? null : JSON.stringify(asked.body);
  // Taken when it is needed, and not as an import: that would read every name of the module, and load much of Node for it.
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  // A connection for each request: nothing is left open that somebody would have to close.
  const options = { method: asked.method, headers: headersOf(at, asked, body), agent: false as const, signal };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, resolve);
    const late = setTimeout(() => sent.destroy(connectTimeout()), CONNECT_TIMEOUT_MS);
    const connected = url.protocol === 'https:' ? 'secureConnect' : 'connect';
    sent.on('socket', (socket) => socket.once(connected, () => clearTimeout(late)));
    sent.on('close', () => clearTimeout(late));
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

function headersOf({ token }: AskedDaemon, { requestId }: ExchangeRequest, body: string | null) {
  return {
    accept: 'application/json',
    ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  };
}

function connectTimeout(): Error {
  return Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' });
}

async function readText(response: IncomingMessage, at: AskedDaemon): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw unexpected(at, 'its answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function unexpected(at: { readonly daemon: string; readonly url: string }, what: string): KeeperError {
  return new KeeperError(
    'ANSWER_UNEXPECTED',
    `what answers at ${at.url} is not a ${at.daemon} of this version: ${what}`,
    {
      hint: 'check the address, and that keeper and daemons are of the same version',
    },
  );
}
