import { formatBytes, RbeeError } from '@rbee/contract';
import { errorOfConnection, followRedirects, nextTurn, type ResponseHeaders } from '@rbee/transfer';
import { type Dispatcher, request as undiciRequest } from 'undici';

/** What every source sends its requests with. */
export interface HttpClient {
  /** Guarded: each hop reaches only addresses that are allowed. */
  readonly dispatcher: Dispatcher;
  /** Without headers, or without a byte of the body, for this long a request fails. */
  readonly headersTimeoutMs: number;
  readonly userAgent: string;
}

export interface HttpRequest {
  readonly method: 'HEAD' | 'GET';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  /** The last hop's. */
  readonly url: URL;
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** The caller reads or discards it. */
  readonly body: Dispatcher.ResponseData['body'];
}

/**
 * Sends one request and does not follow a redirect.
 * @throws RbeeError as `errorOfConnection` says; the signal's reason when aborted
 */
export async function requestOnce(
  client: HttpClient,
  { method, url, headers = {}, signal }: HttpRequest,
): Promise<HttpResponse> {
  const { dispatcher, headersTimeoutMs, userAgent } = client;
  await nextTurn();
  signal.throwIfAborted();
  try {
    const { statusCode, ...response } = await undiciRequest(url, {
      method,
      dispatcher,
      headers: { 'user-agent': userAgent, 'accept-encoding': 'identity', ...headers },
      signal,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: headersTimeoutMs,
      // By default undici closes the connection after a HEAD, in case the server sends a body: the next request would
      // need another handshake.
      reset: false,
    });
    return { url, status: statusCode, headers: response.headers, body: response.body };
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, url.host);
  }
}

/** Sends a request and follows redirects. Credentials in its headers go to its first origin only, the others along. */
export async function requestFollowing(client: HttpClient, request: HttpRequest): Promise<HttpResponse> {
  const headers = Object.entries(request.headers ?? {});
  const credentials = Object.fromEntries(headers.filter(isCredential));
  const others = Object.fromEntries(headers.filter((header) => !isCredential(header)));
  const { response } = await followRedirects(
    { url: request.url, headers: credentials },
    (url, own) => requestOnce(client, { ...request, url, headers: { ...others, ...own } }),
    { discard },
  );
  return response;
}

function isCredential([name]: readonly [string, string]): boolean {
  return /^(?:authorization|cookie)$/i.test(name);
}

/** Drops a body that nobody reads. */
export function discard({ body }: HttpResponse): void {
  // How an unwanted body ends does not matter.
  body.on('error', () => {});
  body.destroy();
}

/** Reads a whole body. @throws RbeeError SOURCE_UNAVAILABLE where it is larger than `maxBytes` */
export async function readBody(response: HttpResponse, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyChunks(response, signal)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      const { host } = response.url;
      throw new RbeeError('SOURCE_UNAVAILABLE', `the response of ${host} is larger than ${formatBytes(maxBytes)}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A body as it arrives. A caller that leaves the loop early drops the rest. @throws RbeeError as `errorOfConnection` says */
export async function* bodyChunks(
  response: HttpResponse,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = (response.body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done } = await nextOf(chunks, response.url.host, signal);
      if (done === true) return;
      yield value;
    }
  } finally {
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
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
