import { fromErrorBody, pathOf, RbeeError, type Route } from '@rbee/contract';
import { type Dispatcher, request } from 'undici';
import { KeeperError } from '../keeper-error.ts';
import { unreachable } from './unreachable.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** The largest answer that is read. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

export interface CallerOptions {
  readonly url: string;
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  readonly newRequestId: () => string;
  /** Who is asked, for messages. */
  readonly daemon: 'queen' | 'hive';
}

export interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** What a route answers when all is well. */
type AnswerOf<R extends Route> = R extends { success: { body: { parse(input: unknown): infer T } } } ? T : never;
type AnsweringRoute = Route & { readonly success: NonNullable<Route['success']> };

/** One call of a route: method, path, headers and body out, a checked answer in. */
export type Caller = <R extends AnsweringRoute>(route: R, options: CallOptions) => Promise<AnswerOf<R>>;

export function createCaller(options: CallerOptions): Caller {
  return async (route, call) => {
    const requestId = options.newRequestId();
    const { status, body } = await exchange(options, route, call, requestId);
    if (status < 200 || status > 299) throw refusal(options, status, body, requestId);
    const parsed = route.success.body.safeParse(body);
    if (!parsed.success) throw unexpected(options, `its answer to ${route.method} ${route.path} is not understood`);
    // The schema belongs to the route, which the compiler cannot follow through a generic parameter.
    return parsed.data as AnswerOf<typeof route>;
  };
}

interface Exchange {
  readonly status: number;
  /** The JSON of the answer; undefined where it is none. */
  readonly body: unknown;
}

async function exchange(options: CallerOptions, route: Route, call: CallOptions, requestId: string): Promise<Exchange> {
  const deadline = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    const response = await request(`${options.url}${pathOf(route, call.params)}`, {
      method: route.method,
      dispatcher: options.dispatcher,
      signal: AbortSignal.any([call.signal, deadline]),
      headers: {
        accept: 'application/json',
        'x-request-id': requestId,
        ...(options.token === null ? {} : { authorization: `Bearer ${options.token}` }),
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.query === undefined ? {} : { query: { ...call.query } }),
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    return { status: response.statusCode, body: parseJson(await readText(response.body, options)) };
  } catch (error) {
    call.signal.throwIfAborted();
    if (error instanceof KeeperError) throw error;
    if (deadline.aborted) throw unreachable(options, `no answer within ${REQUEST_TIMEOUT_MS / 1_000} s`);
    throw unreachable(options, error);
  }
}

async function readText(body: AsyncIterable<Buffer>, options: CallerOptions): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw unexpected(options, 'its answer is too large');
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

function refusal(options: CallerOptions, status: number, body: unknown, requestId: string): Error {
  return refusalOf({ daemon: options.daemon, url: options.url, status, body, requestId });
}

export interface RefusalOptions {
  readonly daemon: 'queen' | 'hive';
  readonly url: string;
  readonly status: number;
  /** The JSON of the answer, where it had any. */
  readonly body: unknown;
  readonly requestId?: string;
}

/** The error that an answer other than success stands for: the daemon's own, with where it comes from. */
export function refusalOf({ daemon, url, status, body, requestId }: RefusalOptions): Error {
  const where = { [`${daemon}_url`]: url, ...(requestId === undefined ? {} : { request_id: requestId }) };
  const error = fromErrorBody(body);
  if (error !== null) {
    const hint = error.hint ?? (status === 401 ? 'give its token with --token or RBEE_API_TOKEN' : undefined);
    return new RbeeError(error.code, error.message, {
      ...(hint === undefined ? {} : { hint }),
      details: { ...error.details, ...where },
    });
  }
  if (status === 401) {
    return new RbeeError('API_KEY_INVALID', `the ${daemon} at ${url} asks for a token`, {
      hint: 'give its token with --token or RBEE_API_TOKEN',
      details: where,
    });
  }
  return unexpected({ daemon, url }, `it answers with HTTP ${status}`);
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
