/** What a path of a hub asks for. `repo` is `org/name`, or `name` alone for the oldest models (`gpt2`). */
export type HubRoute =
  | { readonly kind: 'whoami' }
  | { readonly kind: 'search' }
  /** `revision` null: that of `main`, by the path without one. */
  | { readonly kind: 'info'; readonly repo: string; readonly revision: string | null }
  | { readonly kind: 'tree'; readonly repo: string; readonly revision: string; readonly path: string }
  | { readonly kind: 'paths-info'; readonly repo: string; readonly revision: string }
  | { readonly kind: 'commits'; readonly repo: string; readonly revision: string }
  | { readonly kind: 'refs'; readonly repo: string }
  | FileRoute;

/** `resolve` leads to the bytes, `resolve-cache` has the bytes of a small file, `raw` the pointer of a large one. */
export interface FileRoute {
  readonly kind: 'resolve' | 'resolve-cache' | 'raw';
  readonly repo: string;
  readonly revision: string;
  readonly path: string;
}

/** Paths below a hub's endpoint, each percent-encoded and beginning with a slash. */
export const hubPaths = {
  search: '/api/models',
  info: (repo: string, revision: string): string => `/api/models/${repo}/revision/${encodeURIComponent(revision)}`,
  tree: (repo: string, revision: string): string => `/api/models/${repo}/tree/${encodeURIComponent(revision)}`,
  resolve: (repo: string, revision: string, path: string): string =>
    `/${repo}/resolve/${encodeURIComponent(revision)}/${encodePath(path)}`,
  resolveCache: (repo: string, commit: string, path: string): string =>
    `/api/resolve-cache/models/${repo}/${commit}/${encodePath(path)}`,
} as const;

/** Reads the path of a URL, below the endpoint; null where it is none of a hub's or is badly encoded. */
export function parseHubRoute(pathname: string): HubRoute | null {
  const segments = decodedSegments(pathname);
  if (segments === null) return null;
  const [first, second, ...rest] = segments;
  if (first === 'api') {
    if (second === 'whoami-v2') return { kind: 'whoami' };
    if (second === 'models') return parseApiRoute(rest);
    if (second === 'resolve-cache' && rest[0] === 'models') return parseCacheRoute(rest.slice(1));
    return null;
  }
  return parseFileRoute(segments);
}

const API_VERBS: readonly string[] = ['revision', 'tree', 'paths-info', 'commits', 'refs'];
const COMMIT = /^[0-9a-f]{7,40}$/;

function parseApiRoute(segments: readonly string[]): HubRoute | null {
  if (segments.length === 0) return { kind: 'search' };
  const { repo, rest } = splitRepo(segments, (verb) => API_VERBS.includes(verb));
  if (repo === null) return null;
  const [verb, ...more] = rest;
  if (verb === undefined) return { kind: 'info', repo, revision: null };
  if (verb === 'refs') return more.length === 0 ? { kind: 'refs', repo } : null;
  const { revision, path } = splitRevision(more);
  if (revision === null) return null;
  if (verb === 'tree') return { kind: 'tree', repo, revision, path };
  if (path !== '') return null;
  if (verb === 'revision') return { kind: 'info', repo, revision };
  if (verb === 'paths-info') return { kind: 'paths-info', repo, revision };
  return verb === 'commits' ? { kind: 'commits', repo, revision } : null;
}

function parseCacheRoute(segments: readonly string[]): HubRoute | null {
  const at = segments.findIndex((segment, index) => index > 0 && index < 3 && COMMIT.test(segment));
  const commit = segments[at];
  if (commit === undefined) return null;
  const [names, path] = [segments.slice(0, at), segments.slice(at + 1).join('/')];
  const repo = names.every(isName) ? names.join('/') : null;
  return repo === null || path === '' ? null : { kind: 'resolve-cache', repo, revision: commit, path };
}

function parseFileRoute(segments: readonly string[]): HubRoute | null {
  const { repo, rest } = splitRepo(segments, (verb) => verb === 'resolve' || verb === 'raw');
  const [kind, ...more] = rest;
  if (repo === null || (kind !== 'resolve' && kind !== 'raw')) return null;
  const { revision, path } = splitRevision(more);
  return revision === null || path === '' ? null : { kind, repo, revision, path };
}

/** A repo without an organisation has its verb one place earlier; where both places could hold one, the later counts. */
function splitRepo(
  segments: readonly string[],
  isVerb: (segment: string) => boolean,
): { repo: string | null; rest: readonly string[] } {
  const [first, second, third] = segments;
  if (!isName(first)) return { repo: null, rest: [] };
  const isLong = third !== undefined && isVerb(third);
  if (!isLong && (second === undefined || isVerb(second))) return { repo: first, rest: segments.slice(1) };
  return isName(second) ? { repo: `${first}/${second}`, rest: segments.slice(2) } : { repo: null, rest: [] };
}

/** A name has no slash, not even an encoded one. */
const isName = (segment: string | undefined): segment is string => segment !== undefined && /^[^/]+$/.test(segment);

/** A revision is one segment, but clients send the slashes of `refs/pr/1` bare as well. */
function splitRevision(segments: readonly string[]): { revision: string | null; path: string } {
  const [first, second, third] = segments;
  if (first === undefined || first === '') return { revision: null, path: '' };
  const isRef = first === 'refs' && (second === 'pr' || second === 'convert') && third !== undefined;
  const length = isRef ? 3 : 1;
  return { revision: segments.slice(0, length).join('/'), path: segments.slice(length).join('/') };
}

function decodedSegments(pathname: string): string[] | null {
  try {
    return pathname.split('/').slice(1).map(decodeURIComponent);
  } catch {
    return null;
  }
}

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
