import { RbeeError } from '@rbee/contract';
import { errorOfConnection, isRedirect, maxRedirects, nextHop, nextTurn, type ResponseHeaders } from '@rbee/transfer';
import { type Dispatcher, request } from 'undici';

/** What every source asks with. */
export interface Asking {
  /** Guarded: it reaches only what may be reached, at every hop. */
  readonly dispatcher: Dispatcher;
  /** No headers, or no byte of a body, for this long ends a request. */
  readonly headersTimeoutMs: number;
  readonly userAgent: string;
}

export interface Question {
  readonly method: 'HEAD' | 'GET';
  readonly url: URL;
  /** Sent to the URL's own origin only. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface Answer {
  /** What answered: the last hop. */
  readonly url: URL;
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Whoever asked reads it or destroys it. */
  readonly body: Dispatcher.ResponseData['body'];
}

/**
 * One request and its answer, a redirect as it is.
 * @throws RbeeError as `errorOfConnection` says; the signal's reason when aborted
 */
export async function ask(asking: Asking, { method, url, headers = {}, signal }: Question): Promise<Answer> {
  const { dispatcher, headersTimeoutMs, userAgent } = asking;
  await nextTurn();
  signal.throwIfAborted();
  try {
    const { statusCode, ...answer } = await request(url, {
      method,
      dispatcher,
      headers: { 'user-agent': userAgent, 'accept-encoding': 'identity', ...headers },
      signal,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: headersTimeoutMs,
      // undici closes a connection after each HEAD, for servers that answer one with a body: the next question would shake hands anew.
      reset: false,
    });
    return { url, status: statusCode, headers: answer.headers, body: answer.body };
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, url.host);
  }
}

/** The same, with redirects followed by hand. What a question's headers hold is for its first origin alone. */
export async function askFollowing(asking: Asking, question: Question): Promise<Answer> {
  let { url } = question;
  let { headers = {} } = question;
  for (let hops = 0; hops <= maxRedirects; hops += 1) {
    const answer = await ask(asking, { ...question, url, headers });
    if (!isRedirect(answer.status)) return answer;
    discard(answer);
    const to = nextHop(url, answer.headers);
    // Once left, an origin is not trusted with them again, not even on the way back.
    if (to.origin !== url.origin) headers = withoutSecrets(headers);
    url = to;
  }
  throw new RbeeError('DOWNLOAD_FAILED', `${question.url.host} redirects more than ${maxRedirects} times`);
}

/** Gives up a body that nobody reads. */
export function discard({ body }: Answer): void {
  // Whatever a body that is not wanted ends with is of no interest.
  body.on('error', () => {});
  body.destroy();
}

/** A whole body. @throws RbeeError SOURCE_UNAVAILABLE where it is longer than that */
export async function readBody(answer: Answer, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new RbeeError('SOURCE_UNAVAILABLE', `the answer of ${answer.url.host} has no end`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, answer.url.host);
  }
  return Buffer.concat(chunks);
}

/** The value of a JSON text; undefined where it is none. */
export function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(?:authorization|cookie)$/i.test(name)));
}
