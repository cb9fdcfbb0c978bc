import { assertRepoPath, RbeeError } from '@rbee/contract';
import { hubPaths, modelInfoSchema, nextPageOf, readTreeFiles } from '@rbee/hub-protocol';
import type { ResponseHeaders } from '@rbee/transfer';
import { unexpectedResponse } from './hub-error.ts';

/** More pages than the largest repos have: a hub that sends more is broken or hostile. */
const MAX_PAGES = 1_000;

export interface HubTreeEntry {
  readonly path: string;
  readonly size: number;
  /** Of the content of an LFS file. */
  readonly sha256: string | null;
  /** Of the git blob: a plain file's content, an LFS file's pointer. */
  readonly gitSha1: string;
}

type RequestApi = (url: URL) => Promise<{ headers: ResponseHeaders; body: unknown }>;

/** The commit that a revision points to now. */
export async function readCommit(
  request: RequestApi,
  endpoint: string,
  repo: string,
  revision: string,
): Promise<string> {
  const { body } = await request(new URL(endpoint + hubPaths.info(repo, revision)));
  return (modelInfoSchema.safeParse(body).data ?? unexpectedJson()).sha;
}

/** Every file of a commit, page by page. One path that could leave the store refuses the whole tree. */
export async function readTree(
  request: RequestApi,
  endpoint: string,
  repo: string,
  commit: string,
): Promise<HubTreeEntry[]> {
  const entries: HubTreeEntry[] = [];
  let next: URL | null = new URL(`${endpoint + hubPaths.tree(repo, commit)}?recursive=true`);
  for (let page = 0; next !== null; page += 1) {
    if (page >= MAX_PAGES)
      throw new RbeeError('SOURCE_UNAVAILABLE', `the hub's file list of ${repo} has more than ${MAX_PAGES} pages`);
    const { headers, body } = await request(next);
    for (const entry of readTreeFiles(body) ?? unexpectedJson()) {
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
    throw new RbeeError('SOURCE_UNAVAILABLE', "the hub's file list continues at another origin");
  return next;
}

function unexpectedJson(): never {
  throw unexpectedResponse('its JSON is not that of a hub');
}
