import { type Reply, textReply } from './reply.ts';
import type { Repo } from './repo.ts';

/** Who a token belongs to and which private and gated repos it opens. */
export interface TokenOwner {
  readonly user: string;
  readonly repos: readonly string[];
}

/** How the hub says that it does not know a token; it has no error code for it. */
export const INVALID_TOKEN = 'Invalid credentials in Authorization header';

export type Caller = { readonly kind: 'anonymous' | 'invalid' } | { readonly kind: 'user'; readonly owner: TokenOwner };

export function callerOf(authorization: string | undefined, tokens: ReadonlyMap<string, TokenOwner>): Caller {
  if (authorization === undefined) return { kind: 'anonymous' };
  const owner = tokens.get(/^Bearer (.+)$/.exec(authorization)?.[1] ?? '');
  return owner === undefined ? { kind: 'invalid' } : { kind: 'user', owner };
}

/** The hub's refusal: its code and message are headers too, since a HEAD has no body. */
export function errorReply(status: number, code: string | null, message: string): Reply {
  return textReply(status, JSON.stringify({ error: message }), {
    'Content-Type': 'application/json; charset=utf-8',
    ...(code === null ? {} : { 'X-Error-Code': code }),
    'X-Error-Message': message,
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="Authentication required", charset="UTF-8"' } : {}),
  });
}

export type Admission = { readonly repo: Repo } | { readonly refused: Reply };

/**
 * The repo, where the caller may see it, or (for `files`) fetch from it. A private repo looks as if there were none, and
 * a repo that does not exist looks private to one who sent no token. A gated one can be listed by anybody.
 */
export function admit(repo: Repo | null, caller: Caller, what: 'listing' | 'files'): Admission {
  if (caller.kind === 'invalid') return { refused: errorReply(401, null, INVALID_TOKEN) };
  const known = caller.kind === 'user';
  const opened = known && repo !== null && caller.owner.repos.includes(repo.id);
  if (repo === null || (repo.private && !opened)) {
    return {
      refused: known
        ? errorReply(404, 'RepoNotFound', 'Repository not found')
        : errorReply(401, 'RepoNotFound', 'Invalid username or password.'),
    };
  }
  if (repo.gated === false || opened || what === 'listing') return { repo };
  const restricted = `Access to model ${repo.id} is restricted`;
  return {
    refused: known
      ? errorReply(403, 'GatedRepo', `${restricted} and you are not in the authorized list. Ask for access first.`)
      : errorReply(401, 'GatedRepo', `${restricted}. You must be authenticated to access it. Please log in.`),
  };
}
