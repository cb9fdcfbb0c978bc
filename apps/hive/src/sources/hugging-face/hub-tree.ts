import { assertRepoPath, RbeeError } from '@rbee/contract';
import { hubPaths, modelInfoSchema, nextPageOf, readTreeFiles } from '@rbee/hub-protocol';
import type { ResponseHeaders } from '@rbee/transfer';

/** More pages than the largest repos have; a hub that goes on is broken or hostile. */
const MAX_PAGES = 1_000;

export interface HubTreeEntry {
  readonly path: string;
  readonly size: number;
  /** Of an LFS file's content. */
  readonly sha256: string | null;
  /** Of a plain file's git blob; of an LFS file's pointer. */
  readonly gitSha1: string;
}

type Ask = (url: URL) => Promise<{ headers: ResponseHeaders; body: unknown }>;

/** The commit that a revision stands for now. */
export async function readCommit(ask: Ask, endpoint: string, repo: string, revision: string): Promise<string> {
  const { body } = await ask(new URL(endpoint + hubPaths.info(repo, revision)));
  return (modelInfoSchema.safeParse(body).data ?? noHub()).sha;
}

/** Every file of a commit, page by page. A name that could leave the store is refused, and with it the whole tree. */
export async function readTree(ask: Ask, endpoint: string, repo: string, commit: string): Promise<HubTreeEntry[]> {
  const entries: HubTreeEntry[] = [];
  let next: URL | null = new URL(`${endpoint + hubPaths.tree(repo, commit)}?recursive=true`);
  for (let page = 0; next !== null; page += 1) {
    if (page >= MAX_PAGES) throw new RbeeError('SOURCE_UNAVAILABLE', `the hub's list of files of ${repo} has no end`);
    const { headers, body } = await ask(next);
    for (const entry of readTreeFiles(body) ?? noHub()) {
      assertRepoPath(entry.path, 'DOWNLOAD_FAILED');
      const size = entry.lfs?.size ?? entry.size;
      entries.push({ path: entry.path, size, sha256: entry.lfs?.oid ?? null, gitSha1: entry.oid });
    }
    next = nextPage(headers, next);
  }
  return entries;
}

function nextPage(headers: ResponseHeaders, from: URL): URL | null {
  const link = nextPageOf(headers['link']);
  if (link === null) return null;
  const next = URL.canParse(link, from.href) ? new URL(link, from) : null;
  if (next?.origin !== from.origin)
    throw new RbeeError('SOURCE_UNAVAILABLE', "the hub's list of files leads elsewhere");
  return next;
}

function noHub(): never {
  throw new RbeeError('SOURCE_UNAVAILABLE', 'the hub answers as no hub does', { hint: 'check HF_ENDPOINT' });
}
