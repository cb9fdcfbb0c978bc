import type { HfRef, RbeeError } from '@rbee/contract';
import { HUB_HEADERS, hubPaths } from '@rbee/hub-protocol';
import { headerOf, type Location, redirectHops } from '@rbee/transfer';
import { discard, type HttpClient, type HttpResponse, parseJson, readBody, requestOnce } from '../http/request.ts';
import { errorOfHub, type HubRefusal, unexpectedResponse } from './hub-error.ts';

/** A page of a tree has a thousand entries and is far smaller. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

export interface HubAccess extends HttpClient {
  /** The URL of the hub, without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
}

/** What the hub says of one file. */
export interface HubFile {
  readonly commit: string;
  readonly etag: string;
  readonly size: number | null;
  readonly location: Location;
}

/** Requests the facts of a file: one HEAD, or a few where the hub redirects within itself. */
export async function requestFile(
  hub: HubAccess,
  repo: string,
  revision: string,
  path: string,
  signal: AbortSignal,
): Promise<HubFile> {
  let commit: string | null = null;
  let linked: string | null = null;
  for await (const { url, response, to } of hops(hub, 'HEAD', fileUrl(hub, repo, revision, path), signal)) {
    discard(response);
    const { status, headers } = response;
    if (status >= 400) throw refused(hub, { repo, revision, path }, response);
    commit ??= headerOf(headers, HUB_HEADERS.commit);
    linked ??= headerOf(headers, HUB_HEADERS.linkedEtag);
    const size = headerOf(headers, HUB_HEADERS.linkedSize);
    // The redirect to the CDN has all the facts of a large file, since the CDN has none. The redirect of a small file
    // within the hub lacks its size: the next response has it. The Content-Length of a redirect is that of its own text.
    if (to === null || (linked !== null && (size !== null || to.origin !== url.origin))) {
      const etag = linked ?? headerOf(headers, 'etag');
      const length = to === null ? headerOf(headers, 'content-length') : null;
      const facts = { commit, etag, size: size ?? (length === '0' ? null : length), path };
      return toHubFile(hub, facts, to ?? url);
    }
    if (to.origin !== url.origin) throw unexpectedResponse(`it redirects ${path} without its ETag`);
  }
  throw new Error('the hops ended without a final response');
}

/** Where the hub itself serves a file, or redirects to it. */
export function locationOf(hub: HubAccess, repo: string, revision: string, path: string): Location {
  return toLocation(hub, fileUrl(hub, repo, revision, path));
}

/** Sends a request to the hub's API, which returns JSON and redirects within the hub only, for example to a renamed repo. */
export async function requestApi(
  hub: HubAccess,
  of: Pick<HfRef, 'repo' | 'revision'>,
  apiUrl: URL,
  signal: AbortSignal,
) {
  for await (const { url, response, to } of hops(hub, 'GET', apiUrl, signal)) {
    if (to !== null) {
      if (to.origin !== url.origin) throw unexpectedResponse('it redirects an API request to another origin');
      continue;
    }
    const { status, headers } = response;
    if (status !== 200) {
      discard(response);
      throw refused(hub, { ...of, path: null }, response);
    }
    const body = parseJson(await readBody(response, MAX_JSON_BYTES, signal));
    if (body === undefined) throw unexpectedResponse('it is not JSON');
    return { headers, body };
  }
  throw new Error('the hops ended without a final response');
}

function hops(hub: HubAccess, method: 'HEAD' | 'GET', start: URL, signal: AbortSignal) {
  return redirectHops(
    { url: start, headers: tokenFor(hub, start) },
    (url, headers) => requestOnce(hub, { method, url, headers, signal }),
    { discard, tooMany: () => unexpectedResponse(`too many redirects for ${start.pathname}`) },
  );
}

interface Facts {
  readonly commit: string | null;
  readonly etag: string | null;
  readonly size: string | null;
  readonly path: string;
}

function toHubFile(hub: HubAccess, { commit, etag, size, path }: Facts, location: URL): HubFile {
  if (commit === null || etag === null) throw unexpectedResponse(`no commit or no ETag for ${path}`);
  if (!/^[0-9a-f]{40}$/.test(commit)) throw unexpectedResponse(`the commit of ${path} is not 40 hex digits`);
  return {
    commit,
    etag: etag.replace(/^W\//, '').replaceAll('"', ''),
    size: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : null,
    location: toLocation(hub, location),
  };
}

function toLocation(hub: HubAccess, url: URL): Location {
  return { url: url.href, headers: { 'user-agent': hub.userAgent, ...tokenFor(hub, url) } };
}

function fileUrl({ endpoint }: HubAccess, repo: string, revision: string, path: string): URL {
  return new URL(endpoint + hubPaths.resolve(repo, revision, path));
}

/** The token goes to the hub's own origin and never along a redirect to another. */
function tokenFor(hub: HubAccess, url: URL): Record<string, string> {
  const isOwn = hub.token !== null && url.origin === new URL(hub.endpoint).origin;
  return isOwn ? { authorization: `Bearer ${hub.token}` } : {};
}

function refused(
  { endpoint, token }: HubAccess,
  of: Pick<HubRefusal, 'repo' | 'revision' | 'path'>,
  { status, headers }: HttpResponse,
): RbeeError {
  const { repo, revision, path } = of;
  return errorOfHub({ status, headers, repo, revision, path, endpoint, hadToken: token !== null });
}
