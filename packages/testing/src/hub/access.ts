import { HUB_ERRORS, HUB_HEADERS, type HubErrorCode, INVALID_TOKEN_MESSAGE } from '@rbee/hub-protocol';
import { type Reply, textReply } from './reply.ts';
import type { Repo } from './repo.ts';

/** The owner of a token, and the private and gated repos it opens. */
export interface TokenOwner {
  readonly user: string;
  readonly repos: readonly string[];
  /** An OAuth token that was not refreshed: refused, also for public repos. */
  readonly hasExpired?: boolean;
}

export type Caller =
  | { readonly kind: 'anonymous' | 'invalid' | 'expired' }
  | { readonly kind: 'user'; readonly owner: TokenOwner };

export function callerOf(authorization: string | undefined, tokens: ReadonlyMap<string, TokenOwner>): Caller {
  if (authorization === undefined) return { kind: 'anonymous' };
  const owner = tokens.get(/^Bearer (.+)$/.exec(authorization)?.[1] ?? '');
  if (owner === undefined) return { kind: 'invalid' };
  return owner.hasExpired === true ? { kind: 'expired' } : { kind: 'user', owner };
}

/** An error of the hub. Code and message are headers too, because a HEAD has no body. */
export function errorReply(status: number, code: HubErrorCode | null, message: string): Reply {
  return textReply(status, JSON.stringify({ error: message }), {
    'Content-Type': 'application/json; charset=utf-8',
    ...(code === null ? {} : { [HUB_HEADERS.errorCode]: code }),
    [HUB_HEADERS.errorMessage]: message,
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="Authentication required", charset="UTF-8"' } : {}),
  });
}

export type Admission = { readonly repo: Repo } | { readonly refused: Reply };

/**
 * The repo, where the caller may see it, or (for `files`) fetch from it. A private repo looks as if there were none, and
 * a repo that does not exist looks private to a caller without a token. A gated one can be listed by anybody.
 */
export function admit(repo: Repo | null, caller: Caller, what: 'listing' | 'files'): Admission {
  if (caller.kind === 'invalid') return { refused: errorReply(401, null, INVALID_TOKEN_MESSAGE) };
  if (caller.kind === 'expired') return { refused: errorReply(401, HUB_ERRORS.repoNotFound, INVALID_TOKEN_MESSAGE) };
  const known = caller.kind === 'user';
  const opened = known && repo !== null && caller.owner.repos.includes(repo.id);
  if (repo === null || (repo.private && !opened)) {
    return {
      refused: known
        ? errorReply(404, HUB_ERRORS.repoNotFound, 'Repository not found')
        : errorReply(401, HUB_ERRORS.repoNotFound, 'Invalid username or password.'),
    };
  }
  if (repo.closed === 'disabled') {
    return { refused: errorReply(403, HUB_ERRORS.disabledRepo, 'Access to this resource is disabled.') };
  }
  if (repo.closed === 'legal') {
    return { refused: errorReply(451, null, `Access to model ${repo.id} is blocked for legal reasons.`) };
  }
  if (repo.gated === false || opened || what === 'listing') return { repo };
  return { refused: errorReply(known ? 403 : 401, HUB_ERRORS.gatedRepo, gatedMessage(repo, known)) };
}

function gatedMessage({ id, accessRequest }: Repo, known: boolean): string {
  const restricted = `Access to model ${id} is restricted`;
  if (!known) return `${restricted}. You must be authenticated to access it. Please log in.`;
  if (accessRequest === 'pending') {
    return `Your request to access model ${id} is awaiting a review from the repo authors.`;
  }
  if (accessRequest === 'rejected')
    return `Your request to access model ${id} has been rejected by the repo's authors.`;
  return `${restricted} and you are not in the authorized list. Visit https://huggingface.co/${id} to ask for access.`;
}
