import { type FileRoute, formatLink, HUB_ERRORS, HUB_HEADERS, hubPaths } from '@rbee/hub-protocol';
import { errorReply } from './access.ts';
import { dispositionOf, fileReply, type Reply, redirect } from './reply.ts';
import type { Repo, StoredFile } from './repo.ts';
import type { HubRequest } from './request.ts';
import type { HubShape } from './shape.ts';

export interface FileRouteState {
  readonly shape: HubShape;
  /** A fresh signed address of the file's bytes. */
  signedUrl(file: StoredFile): string;
  /** Where the bytes of Xet files could be put together from their parts. */
  readonly cdnUrl: string;
}

const EXPOSED_HEADERS =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag';

/** `resolve`, `resolve-cache` and `raw`. */
export function fileRoute(
  request: HubRequest,
  url: URL,
  { kind, path }: FileRoute,
  { repo, commit }: { readonly repo: Repo; readonly commit: string },
  state: FileRouteState,
): Reply {
  const { shape } = state;
  const headers = { [HUB_HEADERS.commit]: commit, 'Access-Control-Expose-Headers': EXPOSED_HEADERS };
  const file = repo.trees.get(commit)?.get(path);
  if (file === undefined) {
    const missing = errorReply(404, HUB_ERRORS.entryNotFound, 'Entry not found');
    return { ...missing, headers: { ...missing.headers, ...headers } };
  }
  if (typeof shape.heads === 'number' && request.method === 'HEAD') return errorReply(shape.heads, null, 'HEAD fails');
  if (file.lfs) return largeFile(request, url, file, repo, commit, headers, state);
  if (kind === 'resolve' && shape.smallFiles !== 'direct') return smallFile(url, file, repo, commit, headers, shape);
  return bytesOf(request, file, file.finalEtag, headers, shape);
}

/** A redirect within the hub. It says nothing of the size, and its own Content-Length is that of its text. */
function smallFile(
  url: URL,
  file: StoredFile,
  repo: Repo,
  commit: string,
  headers: Readonly<Record<string, string>>,
  { smallFiles, prefix }: HubShape,
): Reply {
  const query = new URLSearchParams({ [url.pathname]: '', etag: file.finalEtag });
  return redirect(307, `${prefix}${hubPaths.resolveCache(repo.id, commit, file.path)}?${query}`, {
    ...headers,
    ...(smallFiles === 'linked' ? { [HUB_HEADERS.linkedEtag]: file.finalEtag } : {}),
    'Content-Disposition': dispositionOf(file.path),
  });
}

/** A redirect away from the hub: all that is known of the file is in its headers, since the CDN knows none of it. */
function largeFile(
  request: HubRequest,
  url: URL,
  file: StoredFile,
  repo: Repo,
  commit: string,
  common: Readonly<Record<string, string>>,
  state: FileRouteState,
): Reply {
  const { shape } = state;
  const headers = {
    ...common,
    'Accept-Ranges': 'bytes',
    // The ETag is the pointer file's, which is what git has; the linked one is that of the bytes.
    ETag: `"${file.pointer.oid}"`,
    [HUB_HEADERS.linkedSize]: String(file.size),
    [HUB_HEADERS.linkedEtag]: `"${file.sha256}"`,
    ...(shape.xet ? xetHeaders(url, file, repo, commit, state) : {}),
  };
  const isDirect = shape.largeFiles === 'direct' || (shape.largeFiles === 'head_direct' && request.method === 'HEAD');
  if (isDirect) return bytesOf(request, file, headers.ETag, headers, shape);
  return redirect(302, state.signedUrl(file), headers);
}

function xetHeaders(url: URL, { xetHash }: StoredFile, repo: Repo, commit: string, { cdnUrl, shape }: FileRouteState) {
  const token = `${url.origin}${shape.prefix}/api/models/${repo.id}/xet-read-token/${commit}`;
  return {
    [HUB_HEADERS.xetHash]: xetHash,
    Link: [
      formatLink(token, 'xet-auth'),
      formatLink(`${cdnUrl}/v1/reconstructions/${xetHash}`, 'xet-reconstruction-info'),
    ].join(', '),
    'Cache-Control': 'no-store',
  };
}

function bytesOf(
  request: HubRequest,
  { content, lastModified }: StoredFile,
  etag: string,
  headers: Readonly<Record<string, string>>,
  { heads }: HubShape,
): Reply {
  if (request.headers['if-none-match'] === etag)
    return { status: 304, headers: { ...headers, ETag: etag }, body: null };
  const reply = fileReply(request, { content, etag, lastModified, headers });
  if (request.method !== 'HEAD' || heads === 'length') return reply;
  const { 'Content-Length': _, ...without } = reply.headers;
  return { ...reply, headers: heads === 'zero' ? { ...without, 'Content-Length': '0' } : without };
}
