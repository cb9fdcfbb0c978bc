import { RbeeError } from '@rbee/contract';
import { HUB_HEADERS, hubPaths } from '@rbee/hub-protocol';
import { headerOf, isRedirect, type Location, maxRedirects, nextHop, type ResponseHeaders } from '@rbee/transfer';
import { type Answer, type Asking, ask, discard, parseJson, readBody } from '../http/request.ts';
import { errorOfHub } from './hub-error.ts';

/** A page of a tree has a thousand entries, which is well below this. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

export interface HubAccess extends Asking {
  /** The hub's address without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
}

/** What the hub says of one file. */
export interface FileAnswer {
  readonly commit: string;
  readonly etag: string;
  readonly size: number | null;
  readonly location: Location;
}

/** Asks for a file by its name: one HEAD, or a few where the hub redirects within itself. */
export async function askForFile(
  hub: HubAccess,
  repo: string,
  revision: string,
  path: string,
  signal: AbortSignal,
): Promise<FileAnswer> {
  let url = addressOf(hub, repo, revision, path);
  let commit: string | null = null;
  let linked: string | null = null;
  for (let hops = 0; hops <= maxRedirects; hops += 1) {
    const answer = await ask(hub, { method: 'HEAD', url, headers: tokenFor(hub, url), signal });
    discard(answer);
    const { status, headers } = answer;
    if (status >= 400) throw refused(hub, repo, `${path} (revision ${revision})`, status, headers);
    commit ??= headerOf(headers, HUB_HEADERS.commit);
    const target = isRedirect(status) ? nextHop(url, headers) : null;
    linked ??= headerOf(headers, HUB_HEADERS.linkedEtag);
    const size = headerOf(headers, HUB_HEADERS.linkedSize);
    // The redirect to the CDN says all that is known of a large file, since the CDN knows nothing of it. The one of a small file within
    // the hub does not name its size: the next response does. The Content-Length of a redirect is that of its own text.
    if (target === null || (linked !== null && (size !== null || target.origin !== url.origin))) {
      const etag = linked ?? headerOf(headers, 'etag');
      const length = target === null ? headerOf(headers, 'content-length') : null;
      return toAnswer(hub, { commit, etag, size: size ?? (length === '0' ? null : length), url: target ?? url, path });
    }
    if (target.origin !== url.origin) throw oddAnswer(`it redirects ${path} without saying what it is`);
    url = target;
  }
  throw oddAnswer(`it redirects ${path} without end`);
}

/** Where the hub itself gives a file, or a redirect to it. */
export function locationOf(hub: HubAccess, repo: string, revision: string, path: string): Location {
  return toLocation(hub, addressOf(hub, repo, revision, path));
}

/** Asks the hub's API, which answers JSON and redirects only within the hub, as for a renamed repo. */
export async function askApi(hub: HubAccess, repo: string, asked: URL, signal: AbortSignal) {
  let url = asked;
  for (let hops = 0; hops <= maxRedirects; hops += 1) {
    const answer: Answer = await ask(hub, { method: 'GET', url, headers: tokenFor(hub, url), signal });
    const { status, headers } = answer;
    if (status === 200) {
      const body = parseJson(await readBody(answer, MAX_JSON_BYTES, signal));
      if (body === undefined) throw oddAnswer('its answer is not JSON');
      return { headers, body };
    }
    discard(answer);
    if (!isRedirect(status)) throw refused(hub, repo, url.pathname, status, headers);
    const target = nextHop(url, headers);
    if (target.origin !== url.origin) throw oddAnswer('it redirects what is asked of it elsewhere');
    url = target;
  }
  throw oddAnswer('it redirects without end');
}

interface Told {
  readonly commit: string | null;
  readonly etag: string | null;
  readonly size: string | null;
  readonly url: URL;
  readonly path: string;
}

function toAnswer(hub: HubAccess, { commit, etag, size, url, path }: Told): FileAnswer {
  if (commit === null || etag === null) throw oddAnswer(`it does not say the commit or the ETag of ${path}`);
  if (!/^[0-9a-f]{40}$/.test(commit)) throw oddAnswer(`it names the commit of ${path} by something else`);
  return {
    commit,
    etag: etag.replace(/^W\//, '').replaceAll('"', ''),
    size: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : null,
    location: toLocation(hub, url),
  };
}

function toLocation(hub: HubAccess, url: URL): Location {
  return { url: url.href, headers: { 'user-agent': hub.userAgent, ...tokenFor(hub, url) } };
}

function addressOf({ endpoint }: HubAccess, repo: string, revision: string, path: string): URL {
  return new URL(endpoint + hubPaths.resolve(repo, revision, path));
}

/** The token goes to the hub's own origin and never along a redirect to another. */
function tokenFor(hub: HubAccess, url: URL): Record<string, string> {
  const isOwn = hub.token !== null && url.origin === new URL(hub.endpoint).origin;
  return isOwn ? { authorization: `Bearer ${hub.token}` } : {};
}

function refused(hub: HubAccess, repo: string, what: string, status: number, headers: ResponseHeaders): RbeeError {
  return errorOfHub({ status, headers, repo, what, endpoint: hub.endpoint, hadToken: hub.token !== null });
}

function oddAnswer(what: string): RbeeError {
  return new RbeeError('SOURCE_UNAVAILABLE', `the hub answers as no hub does: ${what}`, { hint: 'check HF_ENDPOINT' });
}
