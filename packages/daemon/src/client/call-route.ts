import { errnoOf, fromErrorBody, pathOf, type ResponseOf, type Route, tlsProblemOf } from '@rbee/contract';
import { type Dispatcher, request } from 'undici';
import { requestIdHeader } from '../logging/log-context.ts';

/** The largest response body that is read by default; a list of models is the longest there is. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Another daemon, and how to reach it. */
export interface Peer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Sent as a bearer token; null = none. */
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  /** Aborts after that many milliseconds; `AbortSignal.timeout` by default. */
  readonly deadline?: ((ms: number) => AbortSignal) | undefined;
}

export interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** For the whole call, from connecting to the last byte of the response. */
  readonly timeoutMs: number;
  readonly maxResponseBytes?: number;
  readonly signal?: AbortSignal;
}

/** A daemon could not be reached, or its response makes no sense. The message follows "it" or the daemon's name. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  /** What to do on the calling machine, where TLS is the reason. */
  readonly hint: string | null;
  /** Whether something at the address answered or refused the connection; false if it was silent, or lost on the way. */
  readonly isAnswer: boolean;

  constructor(message: string, { hint = null, isAnswer = false }: { hint?: string | null; isAnswer?: boolean } = {}) {
    super(message);
    this.hint = hint;
    this.isAnswer = isAnswer;
  }
}

/**
 * Calls a route of another daemon and checks the response against the route's schema. Time and size are bounded, and the
 * request id of the work at hand goes along.
 * @throws RbeeError the other daemon's own error, from its error body
 * @throws PeerError where it cannot be reached, is too slow, or sends something else
 */
export async function callRoute<R extends Route>(peer: Peer, route: R, options: CallOptions): Promise<ResponseOf<R>> {
  const { status, text } = await exchange(peer, route, options);
  const body = parseJson(text);
  if (status >= 400)
    throw fromErrorBody(body) ?? new PeerError(`it responded with status ${status}`, { isAnswer: true });
  const parsed = route.success?.body.safeParse(body);
  if (!parsed?.success) throw new PeerError('its response does not match this version', { isAnswer: true });
  return parsed.data as ResponseOf<R>;
}

async function exchange(
  { url, token, dispatcher, deadline = AbortSignal.timeout }: Peer,
  route: Route,
  { params, query, body, timeoutMs, maxResponseBytes = MAX_RESPONSE_BYTES, signal }: CallOptions,
): Promise<{ readonly status: number; readonly text: string }> {
  const target = new URL(`${url}${pathOf(route, params)}`);
  target.search = new URLSearchParams(query).toString();
  const limit = deadline(timeoutMs);
  try {
    const response = await request(target, {
      method: route.method,
      dispatcher,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...requestIdHeader(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The two timeouts below cover neither connecting nor a body that trickles in.
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    return { status: response.statusCode, text: await readText(response.body, maxResponseBytes) };
  } catch (error) {
    throw peerErrorOf(error);
  }
}

async function readText(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new PeerError(`its response is larger than ${maxBytes / 1024} KiB`, { isAnswer: true });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function peerErrorOf(error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  const { what, hint } = connectionProblem(error);
  return new PeerError(what, { hint, isAnswer: errnoOf(error) === 'ECONNREFUSED' });
}

/** Why a connection to another daemon failed, and what to do where TLS is the reason. */
function connectionProblem(error: unknown): { readonly what: string; readonly hint: string | null } {
  if (!(error instanceof Error)) return { what: String(error), hint: null };
  const code = errnoOf(error) ?? '';
  return tlsProblemOf(code) ?? { what: error.message || code || error.name, hint: null };
}
