import type { IncomingMessage } from 'node:http';
import { KeeperError } from '../errors/keeper-error.ts';
import { unreachable } from './unreachable.ts';

// One request and its response over Node's own client, which loads fast enough for lists and completions.

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** The largest response that is read. */
const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;

export interface DaemonAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

export interface Daemon extends DaemonAddress {
  /** For messages. */
  readonly daemon: 'queen' | 'hive';
}

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With the parameters filled in. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly requestId?: string;
  readonly signal: AbortSignal;
}

export interface Exchange {
  readonly status: number;
  /** The parsed JSON of the response; undefined if it is not JSON. */
  readonly body: unknown;
  /** The `Date` header: the time of the response by the daemon's clock. */
  readonly date: string | null;
}

/** @throws KeeperError QUEEN_UNREACHABLE or ANSWER_UNEXPECTED; the signal's reason on abort */
export async function exchange(at: Daemon, request: ExchangeRequest): Promise<Exchange> {
  const deadline = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    const response = await send(at, request, AbortSignal.any([request.signal, deadline]));
    const { statusCode, headers } = response;
    return { status: statusCode ?? 0, body: parseJson(await readText(response, at)), date: headers.date ?? null };
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof KeeperError) throw error;
    if (deadline.aborted) throw unreachable(at, `no response within ${REQUEST_TIMEOUT_MS / 1_000} s`);
    throw unreachable(at, error);
  }
}

/**
 * An id for the requests of one command, to find them in the logs of all daemons involved. Not secret: Node's
 * cryptography takes long to load.
 */
export function newRequestId(): string {
  return `cli-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}

function send(at: Daemon, exchanged: ExchangeRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(`${at.url}${exchanged.path}`);
  for (const [name, value] of Object.entries(exchanged.query ?? {})) url.searchParams.append(name, value);
  const body = exchanged.body === undefined ? null : JSON.stringify(exchanged.body);
  // Not imported: an import reads every name of the module, which loads much of Node.
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  // A connection per request, so that nothing has to be closed afterwards.
  const options = { method: exchanged.method, headers: headersOf(at, exchanged, body), agent: false as const, signal };
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

function headersOf({ token }: Daemon, { requestId }: ExchangeRequest, body: string | null) {
  return {
    accept: 'application/json',
    ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  };
}

function connectTimeout(): Error {
  return Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' });
}

async function readText(response: IncomingMessage, at: Daemon): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_RESPONSE_BYTES) throw unexpected(at, 'its response is too large');
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
    `the server at ${at.url} is not a ${at.daemon} of this version: ${what}`,
    {
      hint: 'check the address, and that keeper and daemons have the same version',
    },
  );
}
