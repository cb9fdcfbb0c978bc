import { formatRateLimit, HUB_ERRORS, type HubRoute, INVALID_TOKEN_MESSAGE, parseHubRoute } from '@rbee/hub-protocol';
import { admit, type Caller, callerOf, errorReply, type TokenOwner } from './access.ts';
import { type FileRouteState, fileRoute } from './file-routes.ts';
import { commitList, modelInfo, pathsInfo, refsOf, treePage } from './listing.ts';
import { gzipped, jsonReply, type Reply, redirect, textReply } from './reply.ts';
import { commitOf } from './repo.ts';
import type { RepoStore } from './repo-store.ts';
import type { HubRequest } from './request.ts';
import { searchPage } from './search.ts';

export interface HubRouteState extends FileRouteState {
  readonly repos: RepoStore;
  readonly tokens: ReadonlyMap<string, TokenOwner>;
  readonly treePageSize: number;
}

/** Answers as huggingface.co does, or as the shape says. */
export function routeHub(request: HubRequest, url: URL, state: HubRouteState, body: string): Reply {
  const { shape } = state;
  const path = url.pathname.startsWith(`${shape.prefix}/`) ? url.pathname.slice(shape.prefix.length) : null;
  if (path === null) return errorReply(404, null, 'Not Found');
  const reply = asSent(route(request, url, path, state, body), shape.locations);
  const accepts = shape.gzip === 'always' || (shape.gzip === 'accepted' && acceptsGzip(request));
  return withQuota(accepts ? gzipped(reply) : reply, path, state);
}

function route(request: HubRequest, url: URL, path: string, state: HubRouteState, body: string): Reply {
  if (!isWellEncoded(path)) return errorReply(400, null, 'Bad Request');
  const found = parseHubRoute(path);
  const isPost = request.method === 'POST' && found?.kind === 'paths-info';
  if (request.method !== 'GET' && request.method !== 'HEAD' && !isPost) return textReply(405, 'Method Not Allowed');
  if (found === null) {
    const isApi = path.startsWith('/api/models/');
    return errorReply(404, null, isApi ? 'Not Found' : "Sorry, we can't find the page you are looking for.");
  }
  const caller = callerOf(request.headers.authorization, state.tokens);
  if (found.kind === 'whoami') return whoami(caller);
  if (found.kind === 'search') return mirrored(url, found, state) ?? searchPage(url, caller, state);
  return mirrored(url, found, state) ?? routeRepo(request, url, found, caller, state, body);
}

type RepoRoute = Exclude<HubRoute, { kind: 'whoami' | 'search' }>;

const isFileRoute = ({ kind }: HubRoute): boolean => kind === 'resolve' || kind === 'resolve-cache' || kind === 'raw';

function mirrored(url: URL, found: HubRoute, { shape: { mirrors, prefix } }: HubRouteState): Reply | null {
  if (mirrors === null || (mirrors.what !== 'both' && (mirrors.what === 'files') !== isFileRoute(found))) return null;
  return redirect(308, mirrors.origin + url.href.slice(url.origin.length + prefix.length));
}

function routeRepo(
  request: HubRequest,
  url: URL,
  found: RepoRoute,
  caller: Caller,
  state: HubRouteState,
  body: string,
): Reply {
  const newId = state.repos.newIdOf(found.repo);
  if (newId !== null) return redirect(307, url.href.slice(url.origin.length).replace(found.repo, newId));
  const admission = admit(state.repos.find(found.repo), caller, isFileRoute(found) ? 'files' : 'listing');
  if ('refused' in admission) return admission.refused;
  const { repo } = admission;
  if (found.kind === 'refs') return refsOf(repo);
  const revision = found.revision ?? 'main';
  const commit = commitOf(repo, revision);
  if (commit === null) return errorReply(404, HUB_ERRORS.revisionNotFound, `Invalid rev id: ${revision}`);
  switch (found.kind) {
    case 'info':
      return modelInfo(repo, commit, url, state.shape);
    case 'commits':
      return commitList(commit);
    case 'paths-info':
      return pathsInfo(repo, commit, request.headers['content-type'] ?? '', body, state.shape);
    case 'tree':
      return treePage(repo, commit, found.path, url, { ...state.shape, treePageSize: state.treePageSize });
    default:
      return fileRoute(request, url, found, { repo, commit }, state);
  }
}

/** As real hubs count: requests for files apart from those for the API. */
function withQuota(reply: Reply, path: string, { shape: { rateLimit } }: HubRouteState): Reply {
  if (rateLimit === null) return reply;
  const isApi = path.startsWith('/api/') && !path.startsWith('/api/resolve-cache/');
  const quota = isApi
    ? { name: 'api', limit: 500, windowSecs: 300 }
    : { name: 'resolvers', limit: 3_000, windowSecs: 300 };
  const remaining = Math.min(rateLimit.remaining, quota.limit - 1);
  return { ...reply, headers: { ...reply.headers, ...formatRateLimit(quota, remaining) } };
}

/** A header is sent byte for byte as Latin-1: so the bytes of UTF-8 have to be put into it one by one. */
function asSent(reply: Reply, locations: 'encoded' | 'utf8'): Reply {
  const location = reply.headers['Location'];
  if (typeof location !== 'string' || locations === 'encoded') return reply;
  const raw = location.replace(/(?:%[89A-F][0-9A-F])+/gi, (encoded) => decodeURIComponent(encoded));
  return { ...reply, headers: { ...reply.headers, Location: Buffer.from(raw).toString('latin1') } };
}

function isWellEncoded(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

const acceptsGzip = ({ headers }: HubRequest): boolean =>
  /(?:^|,)\s*(?:gzip|\*)\s*(?:;|,|$)/i.test(String(headers['accept-encoding'] ?? ''));

function whoami(caller: Caller): Reply {
  if (caller.kind !== 'user') {
    return errorReply(401, null, caller.kind === 'anonymous' ? 'Invalid username or password.' : INVALID_TOKEN_MESSAGE);
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
