import type { ReadableStreamDefaultReader } from 'node:stream/web';
import { errnoOf, parseRetryAfter, RbeeError } from '@rbee/contract/plain';
import { followRedirects } from '@rbee/http';
import { type Dispatcher, fetch, Headers, type Response } from 'undici';
import { FollowError } from './follow-error.ts';

export interface StreamRequest {
  url: URL;
  /** Sent only to the origin of `url`, not to another one after a redirect. */
  headers: Readonly<Record<string, string>>;
  lastEventId: string | null;
  dispatcher: Dispatcher;
  /** Aborts the request and, later, its body; the socket is closed immediately. */
  signal: AbortSignal;
  /** Called whenever a response arrives. */
  onActivity(): void;
}

/** How one request for a stream ended. */
export type StreamResponse =
  | { kind: 'open'; body: ReadableStreamDefaultReader<Uint8Array> }
  | { kind: 'no_content' }
  | { kind: 'failed'; reason: string; status: number | null; retryAfterMs: number }
  | { kind: 'final'; error: FollowError };

const maxBodyBytes = 64 * 1024;
const eventStreamType = /^\s*text\/event-stream\s*(?:;|$)/i;
// A hostile id must not make a header that cannot be sent.
const sendableEventId = /^[\x20-\x7e\x80-\xff]{1,1024}$/;

/** Requests a stream once. 408, 429, 5xx and broken connections are 'failed' and can be retried; everything else is 'final'. */
export async function requestStream(request: StreamRequest): Promise<StreamResponse> {
  try {
    return await classify(await fetchThroughRedirects(request));
  } catch (error) {
    if (error instanceof FollowError) return { kind: 'final', error };
    return { kind: 'failed', reason: reasonOf(error), status: null, retryAfterMs: 0 };
  }
}

/** A short text for people: the code of a system error if there is one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return errnoOf(error) ?? error.message;
}

async function fetchThroughRedirects(request: StreamRequest): Promise<Response> {
  let status = null as number | null;
  try {
    const { response } = await followRedirects(
      request,
      async (url, headers) => {
        const whole = await send(request, url, headers);
        request.onActivity();
        status = whole.status;
        const cookies = whole.headers.getSetCookie();
        return { status, headers: { ...Object.fromEntries(whole.headers), 'set-cookie': cookies }, whole };
      },
      { discard: ({ whole }) => void discard(whole) },
    );
    return response.whole;
  } catch (error) {
    throw error instanceof RbeeError ? new FollowError(error.message, status, null) : error;
  }
}

async function send(request: StreamRequest, url: URL, own: Readonly<Record<string, string>>): Promise<Response> {
  const headers = new Headers(own);
  headers.set('accept', 'text/event-stream');
  // A compressing proxy would hold events back.
  headers.set('accept-encoding', 'identity');
  if (request.lastEventId !== null && sendableEventId.test(request.lastEventId)) {
    headers.set('last-event-id', request.lastEventId);
  }
  const { signal, dispatcher } = request;
  try {
    return await fetch(url, { headers, redirect: 'manual', cache: 'no-store', signal, dispatcher });
  } catch (error) {
    // Ports that the fetch standard blocks stay blocked.
    if (reasonOf(error) === 'bad port') throw new FollowError('fetch blocks this port', null, null);
    throw error;
  }
}

async function classify(response: Response): Promise<StreamResponse> {
  const { status } = response;
  if (status === 204) return { kind: 'no_content' };
  if (status === 408 || status === 429 || status >= 500) {
    await discard(response);
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), Date.now()) ?? 0;
    return { kind: 'failed', reason: `HTTP ${status}`, status, retryAfterMs };
  }
  const isStream = status === 200 && eventStreamType.test(response.headers.get('content-type') ?? '');
  if (isStream && response.body !== null) return { kind: 'open', body: response.body.getReader() };
  const message = status === 200 ? 'the response is not an event stream' : `HTTP ${status}`;
  return { kind: 'final', error: new FollowError(message, status, await readBody(response)) };
}

// The watchdog is not refreshed: all of it has to arrive within the time limit of a silent peer.
async function readBody(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    while (reader !== undefined && bytes < maxBodyBytes) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      bytes += value.length;
    }
  } catch {
    // The part that arrived is still worth showing.
  }
  await reader?.cancel().catch(ignore);
  return Buffer.concat(chunks).subarray(0, maxBodyBytes).toString();
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(ignore);
}

function ignore(): void {}
