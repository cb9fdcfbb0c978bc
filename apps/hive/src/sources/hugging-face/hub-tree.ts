import { assertRepoPath, formatBytes, RbeeError } from '@rbee/contract';
import { headerOf, type ResponseHeaders } from '@rbee/http';
import { hubPaths, modelInfoSchema, nextPageOf, readTreeFiles } from '@rbee/hub-protocol';
import type { HubApi } from './hub-api.ts';
import { unexpectedResponse } from './hub-error.ts';

/** More pages than the largest repos have: a hub that sends more is broken or hostile. */
const MAX_PAGES = 1_000;
/** For all pages of a list together: more than the largest repos have, and little enough to hold. */
const MAX_ENTRIES = 100_000;
const MAX_LIST_BYTES = 64 * 1024 * 1024;

export interface HubTreeEntry {
  readonly path: string;
  /** Null where the hub does not say before the file is requested. */
  readonly size: number | null;
  /** Of the content of an LFS file. */
  readonly sha256: string | null;
  /** Of the git blob: a plain file's content, an LFS file's pointer. Null where the list has names only. */
  readonly gitSha1: string | null;
  /** Why a file of this name cannot be stored; null for a name like any other. */
  readonly problem: string | null;
}

/** A version of a repo, and the names of its files where the hub says them with it. */
export interface HubVersion {
  readonly commit: string;
  readonly names: readonly string[] | null;
  /** Null where the hub does not say. */
  readonly isGated: boolean | null;
  readonly isPrivate: boolean | null;
}

/** The commit that a revision points to now. */
export async function readVersion(api: HubApi, endpoint: string, repo: string, revision: string): Promise<HubVersion> {
  const body = await api.json(new URL(endpoint + hubPaths.info(repo, revision)));
  const { sha, siblings, gated, private: isPrivate } = modelInfoSchema.safeParse(body).data ?? unexpectedJson();
  return {
    commit: sha,
    names: siblings?.map(({ rfilename }) => rfilename) ?? null,
    isGated: isGated(gated),
    isPrivate: isPrivate ?? null,
  };
}

/**
 * Every file of a commit, page by page. What a mirror without `/tree`, or a list that ends early, does not have comes from the names
 * that the hub gives with the version, without sizes and digests.
 */
export async function readTree(
  api: HubApi,
  endpoint: string,
  repo: string,
  commit: string,
  known: Pick<HubVersion, 'names'> | null,
): Promise<HubTreeEntry[]> {
  const listed = await readPages(api, endpoint, repo, commit);
  const isShort = listed === null || listed.isShort;
  const names = known?.names ?? (isShort ? (await readVersion(api, endpoint, repo, commit)).names : null);
  if (names !== null && names.length > MAX_ENTRIES) throw tooLong(repo, `${MAX_ENTRIES} files`);
  if (isShort && names === null) {
    throw unexpectedResponse(listed === null ? 'it has no list of files' : 'its list of files ends too early');
  }
  const entries = listed?.entries ?? new Map<string, HubTreeEntry>();
  for (const path of names ?? []) if (!entries.has(path)) entries.set(path, entryOf(path, null, null, null));
  return [...entries.values()];
}

/** `false`, or how access is granted. */
export function isGated(gated: boolean | string | undefined): boolean | null {
  return gated === undefined ? null : gated !== false;
}

interface Listed {
  readonly entries: Map<string, HubTreeEntry>;
  /** The hub gave a number of rows, and sent fewer. */
  readonly isShort: boolean;
}

/** Null where the hub has no list of files. */
async function readPages(api: HubApi, endpoint: string, repo: string, commit: string): Promise<Listed | null> {
  const entries = new Map<string, HubTreeEntry>();
  const visited = new Set<string>();
  let [rowCount, byteCount, expected] = [0, 0, 0];
  let next: URL | null = new URL(`${endpoint + hubPaths.tree(repo, commit)}?recursive=true`);
  while (next !== null) {
    if (visited.has(next.href)) throw unexpectedResponse('its list of files leads back to a page that was read');
    if (visited.size >= MAX_PAGES) throw tooLong(repo, `${MAX_PAGES} pages`);
    const page = await api.rows(next);
    if (page === null && visited.size === 0) return null;
    if (page === null) throw unexpectedResponse('a page of its list of files is missing');
    visited.add(next.href);
    for await (const { rows, bytes } of page.batches) {
      [rowCount, byteCount] = [rowCount + rows.length, byteCount + bytes];
      if (rowCount > MAX_ENTRIES) throw tooLong(repo, `${MAX_ENTRIES} entries`);
      if (byteCount > MAX_LIST_BYTES) throw tooLong(repo, formatBytes(MAX_LIST_BYTES));
      for (const { path, size, lfs, oid } of readTreeFiles(rows) ?? unexpectedJson()) {
        entries.set(path, entryOf(path, lfs?.size ?? size, lfs?.oid ?? null, oid));
      }
    }
    expected = Math.max(expected, countOf(page.headers));
    next = nextPage(page.headers, next, endpoint);
  }
  return { entries, isShort: rowCount < expected };
}

function entryOf(path: string, size: number | null, sha256: string | null, gitSha1: string | null): HubTreeEntry {
  return { path, size, sha256, gitSha1, problem: problemOf(path) };
}

/** One odd name must not close the whole repo: it matters only where that file is chosen. */
function problemOf(path: string): string | null {
  try {
    assertRepoPath(path, 'DOWNLOAD_FAILED');
    return null;
  } catch (error) {
    if (error instanceof RbeeError) return error.message;
    throw error;
  }
}

/** How many rows there are on all pages; 0 where the hub does not say. */
function countOf(headers: ResponseHeaders): number {
  const text = headerOf(headers, 'x-total-count') ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/**
 * The next page, always asked of our own endpoint: a mirror may pass on the address at the hub that it mirrors, which is not what the
 * operator chose, and where the token may not go.
 */
function nextPage(headers: ResponseHeaders, from: URL, endpoint: string): URL | null {
  const link = nextPageOf(headers['link']);
  if (link === null) return null;
  const next = URL.canParse(link, from.href) ? new URL(link, from) : null;
  const prefix = new URL(endpoint).pathname.replace(/\/+$/, '');
  const at = next?.pathname.startsWith(`${prefix}/api/`)
    ? prefix.length
    : (next?.pathname.indexOf('/api/models/') ?? -1);
  if (next === null || at === -1) throw unexpectedResponse('its list of files continues outside its API');
  return new URL(endpoint + next.pathname.slice(at) + next.search);
}

/** Final: the hub would send the same list again. */
function tooLong(repo: string, what: string): RbeeError {
  return new RbeeError('MODEL_NOT_FOUND', `the hub's list of the files of ${repo} has more than ${what}`, {
    hint: 'name the files with ::file=, which needs no list',
  });
}

function unexpectedJson(): never {
  throw unexpectedResponse('its JSON is not that of a hub');
}
