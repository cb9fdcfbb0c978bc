import { admit, type Caller, callerOf, errorReply, INVALID_TOKEN, type TokenOwner } from './access.ts';
import { modelInfo, pathsInfo, treePage } from './listing.ts';
import type { HubRequest } from './record.ts';
import { fileReply, jsonReply, type Reply, textReply } from './reply.ts';
import { commitOf, type Repo, type StoredFile } from './repo.ts';
import type { RepoStore } from './repo-store.ts';

export interface HubRouteState {
  readonly repos: RepoStore;
  readonly tokens: ReadonlyMap<string, TokenOwner>;
  readonly treePageSize: number;
  readonly smallFiles: 'direct' | 'resolve_cache';
  /** A fresh signed address of the file's bytes. */
  signedUrl(file: StoredFile): string;
}

const EXPOSED_HEADERS =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag';

/** Answers as huggingface.co does. */
export function routeHub(request: HubRequest, url: URL, state: HubRouteState, body: string): Reply {
  const isPost = request.method === 'POST' && /^\/api\/models\/[^/]+\/[^/]+\/paths-info\//.test(url.pathname);
  if (request.method !== 'GET' && request.method !== 'HEAD' && !isPost) return textReply(405, 'Method Not Allowed');
  const segments = pathSegments(url.pathname);
  if (segments === null) return errorReply(400, null, 'Bad Request');
  const call: Call = { request, url, body, caller: callerOf(request.headers.authorization, state.tokens), state };
  const [first, second, third, ...rest] = segments;
  if (first === 'api' && second === 'whoami-v2') return whoami(call.caller);
  if (first === 'api' && second === 'models') return routeModel(call, [third, ...rest]);
  if (first === 'api' && second === 'resolve-cache') return routeResolve(call, rest, 'last');
  if (third === 'resolve') return routeResolve(call, [first, second, ...rest], 'first');
  return errorReply(404, null, "Sorry, we can't find the page you are looking for.");
}

interface Call {
  readonly request: HubRequest;
  readonly url: URL;
  readonly body: string;
  readonly caller: Caller;
  readonly state: HubRouteState;
}

type Segments = readonly (string | undefined)[];

function routeModel(call: Call, [org, name, verb, revision, ...path]: Segments): Reply {
  const opened = openRepo(call, `${org}/${name}`, revision ?? 'main', 'listing');
  if ('refused' in opened) return opened.refused;
  const { repo, commit } = opened;
  if (verb === undefined || verb === 'revision') return modelInfo(repo, commit, call.url);
  if (verb === 'paths-info') return pathsInfo(repo, commit, call.body);
  if (verb === 'tree') return treePage(repo, commit, path.join('/'), call.url, call.state);
  return errorReply(404, null, 'Not Found');
}

function routeResolve(call: Call, [org, name, revision = '', ...path]: Segments, step: 'first' | 'last'): Reply {
  const opened = openRepo(call, `${org}/${name}`, revision, 'files');
  if ('refused' in opened) return opened.refused;
  const { repo, commit } = opened;
  const file = repo.trees.get(commit)?.get(path.join('/'));
  if (file === undefined) {
    const missing = errorReply(404, 'EntryNotFound', 'Entry not found');
    return { ...missing, headers: { ...missing.headers, 'X-Repo-Commit': commit } };
  }
  const headers = { 'X-Repo-Commit': commit, 'Access-Control-Expose-Headers': EXPOSED_HEADERS };
  if (file.lfs) return lfsReply(file, headers, call.state);
  if (step === 'first' && call.state.smallFiles === 'resolve_cache') {
    const query = new URLSearchParams({ [call.url.pathname]: '', etag: file.finalEtag });
    return redirect(307, `/api/resolve-cache/models/${repo.id}/${commit}/${encodePath(file.path)}?${query}`, headers);
  }
  const { content, finalEtag: etag, lastModified } = file;
  return fileReply(call.request, { content, etag, lastModified, headers });
}

type Opened = { readonly repo: Repo; readonly commit: string } | { readonly refused: Reply };

function openRepo({ url, caller, state }: Call, id: string, revision: string, what: 'listing' | 'files'): Opened {
  const newId = state.repos.newIdOf(id);
  if (newId !== null) return { refused: redirect(307, url.href.slice(url.origin.length).replace(id, newId)) };
  const admission = admit(state.repos.find(id), caller, what);
  if ('refused' in admission) return admission;
  const commit = commitOf(admission.repo, revision);
  if (commit === null) return { refused: errorReply(404, 'RevisionNotFound', `Invalid rev id: ${revision}`) };
  return { repo: admission.repo, commit };
}

/** A redirect away from the hub: all that is known of the file is in its headers, since the CDN knows none of it. */
function lfsReply(file: StoredFile, headers: Readonly<Record<string, string>>, state: HubRouteState): Reply {
  return redirect(302, state.signedUrl(file), {
    ...headers,
    'Accept-Ranges': 'bytes',
    // The ETag is the pointer file's, which is what git has; the linked one is that of the bytes.
    ETag: `"${file.pointer.oid}"`,
    'X-Linked-Size': String(file.size),
    'X-Linked-Etag': `"${file.sha256}"`,
  });
}

function redirect(status: number, location: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return textReply(status, `Redirecting to ${location}`, { Location: location, ...headers });
}

function whoami(caller: Caller): Reply {
  if (caller.kind !== 'user') {
    const invalid = caller.kind === 'invalid';
    return errorReply(401, null, invalid ? INVALID_TOKEN : 'Invalid username or password.');
  }
  const { user } = caller.owner;
  const accessToken = { displayName: 'test', role: 'read', createdAt: '2025-01-01T00:00:00.000Z' };
  return jsonReply(200, {
    type: 'user',
    id: user,
    name: user,
    fullname: user,
    orgs: [],
    auth: { type: 'access_token', accessToken },
  });
}

/** null for a path that is not well encoded. */
function pathSegments(pathname: string): string[] | null {
  try {
    return pathname.split('/').slice(1).map(decodeURIComponent);
  } catch {
    return null;
  }
}

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
