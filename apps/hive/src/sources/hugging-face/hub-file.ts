import { RbeeError } from '@rbee/contract';
import { headerOf, redirectHops } from '@rbee/http';
import { HUB_HEADERS, hubPaths, readRefusal } from '@rbee/hub-protocol';
import type { Location } from '@rbee/transfer';
import {
  discard,
  HEAD_TIMEOUT_MS,
  type HttpClient,
  type HttpResponse,
  isUnanswered,
  requestOnce,
} from '../http/request.ts';
import { versionBlobName, versionOf } from '../names.ts';
import { errorOfHub, type HubRefusal, unexpectedResponse } from './hub-error.ts';
import type { HubToken } from './hub-token.ts';

export interface HubAccess extends HttpClient {
  /** The URL of the hub, without a slash at its end. */
  readonly endpoint: string;
  readonly token: HubToken;
}

/** What the hub says of one file. */
export interface HubFile {
  readonly commit: string;
  readonly etag: string;
  readonly size: number | null;
  readonly location: Location;
}

interface FileRequest {
  readonly repo: string;
  readonly revision: string;
  readonly path: string;
}

/** Statuses of a HEAD after which a GET could not do better: the server says why, or asks to wait. */
const SAME_FOR_GET: ReadonlySet<number> = new Set([401, 407, 408, 425, 429, 451, 502, 503, 504]);

/**
 * Requests the facts of a file: one HEAD, or a few where the hub redirects within itself or, as mirrors do, to another hub. A server
 * that does not know HEAD, or does not answer it, is asked for the first byte.
 */
export function requestFile(
  hub: HubAccess,
  repo: string,
  revision: string,
  path: string,
  signal: AbortSignal,
): Promise<HubFile> {
  const request = { repo, revision, path };
  return withToken(hub, async (token) => {
    const found = await inspect(hub, token, 'HEAD', request, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (isUnanswered(error)) return null;
      throw error;
    });
    const file = found ?? (await inspect(hub, token, 'GET', request, signal));
    if (file === null) throw new Error('a GET was not answered');
    return file;
  });
}

/** Null where a HEAD was refused that a GET might answer. */
async function inspect(
  hub: HubAccess,
  token: string | null,
  method: 'HEAD' | 'GET',
  request: FileRequest,
  signal: AbortSignal,
): Promise<HubFile | null> {
  const { repo, revision, path } = request;
  let commit: string | null = null;
  let linked: string | null = null;
  let linkedSize: string | null = null;
  let hubOrigin: string | null = null;
  const extra = method === 'GET' ? { range: 'bytes=0-0' } : {};
  for await (const { url, response, to } of hops(
    hub,
    token,
    method,
    fileUrl(hub, repo, revision, path),
    signal,
    extra,
  )) {
    discard(response);
    const { status, headers } = response;
    const isEmpty = method === 'GET' && status === 416;
    if (status >= 400 && !isEmpty) {
      if (method === 'HEAD' && mayAnswerGet(response)) return null;
      throw refused(hub, token, request, response);
    }
    if (headerOf(headers, HUB_HEADERS.commit) !== null) hubOrigin = url.origin;
    commit ??= headerOf(headers, HUB_HEADERS.commit);
    linked ??= headerOf(headers, HUB_HEADERS.linkedEtag);
    linkedSize ??= headerOf(headers, HUB_HEADERS.linkedSize);
    // The redirect to the CDN has all the facts of a large file, since the CDN has none. The redirect of a small file
    // within the hub lacks its size: the next response has it. The Content-Length of a redirect is that of its own text.
    const isAllSaid = linked !== null && commit !== null && (linkedSize !== null || to?.origin !== url.origin);
    if (to !== null && !isAllSaid) continue;
    const etag = linked ?? ownEtag(response, { commit, path, isHub: hubOrigin === url.origin });
    const size = linkedSize ?? (to === null ? lengthOf(response) : null);
    return toHubFile(hub, { commit, etag, size, path }, to ?? url, token);
  }
  throw new Error('the hops ended without a final response');
}

function mayAnswerGet({ status, headers }: HttpResponse): boolean {
  return readRefusal(headers).code === null && !SAME_FOR_GET.has(status) && headerOf(headers, 'retry-after') === null;
}

/** The ETag of a server that is no hub names a version of the file, and may look like a digest that it is not. */
function ownEtag(
  { headers }: HttpResponse,
  of: { commit: string | null; path: string; isHub: boolean },
): string | null {
  const etag = headerOf(headers, 'etag');
  if (etag === null || of.isHub || of.commit === null) return etag;
  return versionBlobName(versionOf([of.commit, of.path, etag]));
}

/** The size that a final response gives. An empty one is not believed: mirrors answer a HEAD like that. */
function lengthOf({ status, headers }: HttpResponse): string | null {
  if (status === 206 || status === 416) {
    return /^\s*bytes[ =](?:\d+-\d+|\*)\/(\d+)\s*$/i.exec(headerOf(headers, 'content-range') ?? '')?.[1] ?? null;
  }
  const length = headerOf(headers, 'content-length');
  const isEncoded = !/^(?:identity)?$/i.test(headerOf(headers, 'content-encoding') ?? '');
  return status !== 200 || length === '0' || isEncoded ? null : length;
}

/** Where the hub itself serves a file, or redirects to it. */
export function locationOf(hub: HubAccess, repo: string, revision: string, path: string): Location {
  return toLocation(hub, fileUrl(hub, repo, revision, path), hub.token.current());
}

/** Follows redirects from a URL of the hub. Its token goes to the hub's own origin and never along a redirect to another. */
export function hops(
  hub: HubAccess,
  token: string | null,
  method: 'HEAD' | 'GET',
  start: URL,
  signal: AbortSignal,
  extra: Readonly<Record<string, string>> = {},
) {
  const limits = method === 'HEAD' ? { headersTimeoutMs: HEAD_TIMEOUT_MS } : {};
  return redirectHops(
    { url: start, headers: headersFor(hub, start, token) },
    (url, headers) => requestOnce(hub, { method, url, headers: { ...extra, ...headers }, signal, ...limits }),
    { discard, tooMany: () => unexpectedResponse(`too many redirects for ${start.pathname}`) },
  );
}

/** Runs with the current token, and once more with the next one, or without any, where the hub refuses it. */
export async function withToken<T>(hub: HubAccess, work: (token: string | null) => Promise<T>): Promise<T> {
  const token = hub.token.current();
  try {
    return await work(token);
  } catch (error) {
    const isRefused = error instanceof RbeeError && error.code === 'MODEL_TOKEN_INVALID';
    if (!isRefused || token === null || !hub.token.refused(token)) throw error;
  }
  return work(hub.token.current());
}

interface Facts {
  readonly commit: string | null;
  readonly etag: string | null;
  readonly size: string | null;
  readonly path: string;
}

function toHubFile(hub: HubAccess, facts: Facts, location: URL, token: string | null): HubFile {
  const { commit, etag, size, path } = facts;
  if (commit === null || etag === null) throw unexpectedResponse(`no commit or no ETag for ${path}`);
  if (!/^[0-9a-f]{40}$/.test(commit)) throw unexpectedResponse(`the commit of ${path} is not 40 hex digits`);
  return {
    commit,
    etag: etag.replace(/^W\//, '').replaceAll('"', ''),
    size: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : null,
    location: toLocation(hub, location, token),
  };
}

function toLocation(hub: HubAccess, url: URL, token: string | null): Location {
  return { url: url.href, headers: { 'user-agent': hub.userAgent, ...headersFor(hub, url, token) } };
}

function fileUrl({ endpoint }: HubAccess, repo: string, revision: string, path: string): URL {
  return new URL(endpoint + hubPaths.resolve(repo, revision, path));
}

function headersFor({ endpoint }: HubAccess, url: URL, token: string | null): Record<string, string> {
  return token !== null && url.origin === new URL(endpoint).origin ? { authorization: `Bearer ${token}` } : {};
}

export function refused(
  { endpoint, token: { problem } }: HubAccess,
  token: string | null,
  { repo, revision, path }: Pick<HubRefusal, 'repo' | 'revision' | 'path'>,
  { status, headers }: HttpResponse,
): RbeeError {
  const tokenProblem = token === null ? problem() : null;
  return errorOfHub({ status, headers, repo, revision, path, endpoint, token, tokenProblem });
}
