import { formatBytes, RbeeError } from '@rbee/contract';
import { followRedirects, nextTurn, type ResponseHeaders } from '@rbee/http';
import { abortable, errorOfConnection } from '@rbee/transfer';
import { type Dispatcher, request as undiciRequest } from 'undici';

const BODY_TIMEOUT_FACTOR = 4;
/** A server that does not answer a HEAD may well answer a GET. */
export const HEAD_TIMEOUT_MS = 10_000;
/** The server was reached and did not answer, or cut the connection. */
const UNANSWERED: ReadonlySet<string> = new Set(['DOWNLOAD_TIMEOUT', 'DOWNLOAD_FAILED']);

/** What every source sends its requests with. */
export interface HttpClient {
  /** Guarded: each hop reaches only addresses that are allowed. */
  readonly dispatcher: Dispatcher;
  /**
   * For the headers of one response as a whole, whatever arrives of them in between. Also the longest silence in a body;
   * a body that is read as a whole has four times as long.
   */
  readonly headersTimeoutMs: number;
  readonly userAgent: string;
}

export interface HttpRequest {
  readonly method: 'HEAD' | 'GET';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Shortens the client's limit for the headers. */
  readonly headersTimeoutMs?: number;
}

export interface HttpResponse {
  /** The last hop's. */
  readonly url: URL;
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** The caller reads or discards it. */
  readonly body: Dispatcher.ResponseData['body'];
  /** For the body, where it is read as a whole. */
  readonly bodyTimeoutMs: number;
}

/**
 * Sends one request and does not follow a redirect.
 * @throws RbeeError as `errorOfConnection` says; the signal's reason when aborted
 */
export async function requestOnce(client: HttpClient, request: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers = {}, signal } = request;
  const { dispatcher, userAgent } = client;
  const headersTimeoutMs = Math.min(client.headersTimeoutMs, request.headersTimeoutMs ?? Number.POSITIVE_INFINITY);
  await nextTurn();
  signal.throwIfAborted();
  const limit = createLimit(signal, headersTimeoutMs);
  try {
    const { statusCode, ...response } = await abortable(limit.signal, () =>
      undiciRequest(url, {
        method,
        dispatcher,
        // Some servers refuse a request that accepts nothing.
        headers: { accept: '*/*', 'user-agent': userAgent, 'accept-encoding': 'identity', ...headers },
        signal: limit.signal,
        headersTimeout: headersTimeoutMs,
        bodyTimeout: client.headersTimeoutMs,
        // By default undici closes the connection after a HEAD, in case the server sends a body: the next request would
        // need another handshake.
        reset: false,
      }),
    );
    const bodyTimeoutMs = client.headersTimeoutMs * BODY_TIMEOUT_FACTOR;
    return { url, status: statusCode, headers: response.headers, body: response.body, bodyTimeoutMs };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.isOver()) throw tooSlow(url, 'response headers', headersTimeoutMs);
    throw errorOfConnection(error, url.host);
  } finally {
    limit.stop();
  }
}

/** A time limit beside the caller's signal. undici's own limits begin again with every byte. */
function createLimit(signal: AbortSignal, limitMs: number) {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), limitMs);
  return {
    signal: AbortSignal.any([signal, over.signal]),
    isOver: () => over.signal.aborted,
    stop: () => clearTimeout(timer),
  };
}

function tooSlow({ host }: URL, what: string, limitMs: number): RbeeError {
  const message = `${host} did not send its ${what} within ${limitMs / 1_000} s`;
  return new RbeeError('DOWNLOAD_TIMEOUT', message, {
    hint: 'check the network and the proxy settings, or retry later',
  });
}

/**
 * Sends a request and follows redirects. Credentials in its headers go to its first origin only, the others along.
 * `onRedirect` sees each response that redirects.
 */
export async function requestFollowing(
  client: HttpClient,
  request: HttpRequest,
  onRedirect: (response: HttpResponse) => void = () => {},
): Promise<HttpResponse> {
  const headers = Object.entries(request.headers ?? {});
  const credentials = Object.fromEntries(headers.filter(isCredential));
  const others = Object.fromEntries(headers.filter((header) => !isCredential(header)));
  const { response } = await followRedirects(
    { url: request.url, headers: credentials },
    (url, own) => requestOnce(client, { ...request, url, headers: { ...others, ...own } }),
    {
      discard(response) {
        onRedirect(response);
        discard(response);
      },
    },
  );
  return response;
}

function isCredential([name]: readonly [string, string]): boolean {
  return /^(?:authorization|cookie)$/i.test(name);
}

/** Whether a request got no answer from a server that was reached. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof RbeeError && UNANSWERED.has(error.code);
}

/** Drops a body that nobody reads. */
export function discard({ body }: HttpResponse): void {
  // How an unwanted body ends does not matter.
  body.on('error', () => {});
  body.destroy();
}

/**
 * Reads a whole body.
 * @throws `tooLarge` where it is larger than `maxBytes`, by default RbeeError SOURCE_UNAVAILABLE; as `bodyChunks`
 */
export async function readBody(
  response: HttpResponse,
  maxBytes: number,
  signal: AbortSignal,
  tooLarge: (message: string) => RbeeError = (message) => new RbeeError('SOURCE_UNAVAILABLE', message),
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyChunks(response, signal)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw tooLarge(`the response of ${response.url.host} is larger than ${formatBytes(maxBytes)}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * A body as it arrives, with a time limit for the whole of it. A caller that leaves the loop early drops the rest.
 * @throws RbeeError DOWNLOAD_TIMEOUT, or as `errorOfConnection` says; the signal's reason
 */
export async function* bodyChunks(
  response: HttpResponse,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const { url, body, bodyTimeoutMs } = response;
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const timer = setTimeout(() => body.destroy(tooSlow(url, 'whole response', bodyTimeoutMs)), bodyTimeoutMs);
  try {
    for (;;) {
      const { value, done } = await nextOf(chunks, url.host, signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    discard(response);
  }
}

async function nextOf(chunks: AsyncIterator<Buffer>, host: string, signal: AbortSignal) {
  try {
    return await chunks.next();
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, host);
  }
}

/** The value of a JSON text; undefined where the text is not JSON. */
export function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString().replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
}
