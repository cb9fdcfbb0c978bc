import { SEARCH_FIELDS } from '@rbee/hub-protocol';
import { type Caller, errorReply } from './access.ts';
import { COMMITTED_AT, filesOf } from './listing.ts';
import { jsonReply, type Reply } from './reply.ts';
import { commitOf, type Repo } from './repo.ts';
import type { RepoStore } from './repo-store.ts';
import type { HubShape } from './shape.ts';

/** Of the fields that the real hub knows, those that ours has. */
const EXPANDABLE: ReadonlySet<string> = new Set([
  ...SEARCH_FIELDS,
  'sha',
  'author',
  'createdAt',
  'tags',
  'usedStorage',
]);
const MAX_LIMIT = 1_000;
/** What a row has without `expand`; `siblings` come with `full=true`. */
const PLAIN = ['private', 'downloads', 'likes', 'pipeline_tag'] as const;
const FULL = [...PLAIN, 'gated', 'lastModified', 'sha', 'siblings'] as const;

interface SearchState {
  readonly repos: RepoStore;
  readonly shape: HubShape;
}

/**
 * `GET /api/models`: every word of `search` is in the id; `sort` by `downloads` or `likes`, highest first; `expand` names the fields.
 */
export function searchPage(url: URL, caller: Caller, { repos, shape }: SearchState): Reply {
  if (shape.search === 'none') return errorReply(404, null, 'Not Found');
  if (caller.kind === 'invalid' || caller.kind === 'expired')
    return errorReply(401, null, 'Invalid username or password.');
  const query = url.searchParams;
  const expand = query.getAll('expand');
  const unknown = expand.find((field) => shape.search === 'plain' || !EXPANDABLE.has(field));
  if (unknown !== undefined) return errorReply(400, null, `"expand" has an unknown value: ${unknown}`);
  const limit = Number(query.get('limit') ?? MAX_LIMIT);
  if (!(limit >= 1 && limit <= MAX_LIMIT)) return errorReply(400, null, '"limit" must be between 1 and 1000');
  const words = (query.get('search') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = repos
    .all()
    .filter((repo) => isVisible(repo, caller) && words.every((word) => repo.id.toLowerCase().includes(word)));
  const key = query.get('sort') === 'likes' ? 'likes' : 'downloads';
  const sorted = query.has('sort') ? found.sort((a, b) => (b.facts[key] ?? 0) - (a.facts[key] ?? 0)) : found;
  const fields: readonly string[] = expand.length > 0 ? expand : query.get('full') === 'true' ? FULL : PLAIN;
  return jsonReply(
    200,
    sorted.slice(0, limit).map((repo) => rowOf(repo, fields)),
  );
}

function isVisible(repo: Repo, caller: Caller): boolean {
  return !repo.private || (caller.kind === 'user' && caller.owner.repos.includes(repo.id));
}

function rowOf(repo: Repo, fields: readonly string[]) {
  const { id, gated, private: isPrivate, facts } = repo;
  const commit = commitOf(repo, 'main') ?? '';
  const all = {
    ...{ sha: commit, private: isPrivate, gated, downloads: 0, likes: 0, lastModified: COMMITTED_AT, ...facts },
    siblings: filesOf(repo, commit).map(({ path }) => ({ rfilename: path })),
  };
  return {
    _id: commit.slice(0, 24),
    id,
    ...Object.fromEntries(Object.entries(all).filter(([name]) => fields.includes(name))),
  };
}
