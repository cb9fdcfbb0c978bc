import { createHash } from 'node:crypto';
import { formatLink, HUB_ERRORS } from '@rbee/hub-protocol';
import { errorReply } from './access.ts';
import { jsonReply, type Reply } from './reply.ts';
import type { Repo, StoredFile } from './repo.ts';
import type { HubShape } from './shape.ts';

export interface ListingOptions
  extends Pick<HubShape, 'tree' | 'links' | 'totals' | 'nextPageOrigin' | 'folders' | 'xet' | 'prefix'> {
  /** The maximum number of entries on a page, whatever the client requests. */
  readonly treePageSize: number;
}

interface TreeEntry {
  readonly type: 'file' | 'directory';
  readonly oid?: string;
  readonly size: number;
  readonly path: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly xetHash?: string;
}

export const COMMITTED_AT = '2025-01-01T00:00:00.000Z';

/** `GET /api/models/{id}` and `…/revision/{rev}`; `?blobs=true` adds sizes and digests, `?expand=` names the fields that are wanted. */
export function modelInfo(repo: Repo, commit: string, url: URL, { xet }: Pick<HubShape, 'xet'>): Reply {
  const blobs = isTrue(url, 'blobs');
  const siblings = filesOf(repo, commit).map((file) => ({
    rfilename: file.path,
    ...(blobs ? { size: file.size, blobId: gitOid(file) } : {}),
    ...(blobs && file.lfs ? { lfs: { sha256: file.sha256, size: file.size, pointerSize: file.pointer.size } } : {}),
    ...(blobs && file.lfs && xet ? { xetHash: file.xetHash } : {}),
  }));
  const { id, gated, private: isPrivate, facts } = repo;
  const _id = commit.slice(0, 24);
  const info = {
    ...{ sha: commit, private: isPrivate, gated, downloads: 0, likes: 0, lastModified: COMMITTED_AT, ...facts },
    siblings,
  };
  const expand = url.searchParams.getAll('expand');
  if (expand.length === 0) return jsonReply(200, { _id, id, modelId: id, ...info });
  const wanted = Object.entries(info).filter(([name]) => expand.includes(name));
  return jsonReply(200, { _id, id, ...Object.fromEntries(wanted) });
}

/** `GET /api/models/{id}/tree/{rev}/{path}`, in pages; the `Link` header has the next. */
export function treePage(repo: Repo, commit: string, folder: string, url: URL, options: ListingOptions): Reply {
  if (options.tree === 'none') return errorReply(404, null, 'Not Found');
  const entries = entriesUnder(repo, commit, folder, isTrue(url, 'recursive'), options);
  if (entries === null) {
    return errorReply(404, HUB_ERRORS.entryNotFound, `${folder} does not exist on "${commit}"`);
  }
  const limit = Number(url.searchParams.get('limit') ?? options.treePageSize);
  if (!(limit >= 1)) return errorReply(400, null, '"limit" must be greater than or equal to 1');
  const start = cursorOffset(url.searchParams.get('cursor'));
  if (start === null) return errorReply(400, null, 'Invalid cursor');
  const end = start + Math.min(Math.floor(limit), options.treePageSize);
  const rows = entries.slice(start, end);
  const hasLink = end < entries.length && options.links !== 'lost';
  const headers = {
    ...(hasLink ? { Link: nextLink(url, end, options) } : {}),
    ...(options.totals ? { 'X-Total-Count': String(entries.length) } : {}),
  };
  return jsonReply(200, isTrue(url, 'expand') ? rows.map((row) => expanded(row, commit)) : rows, headers);
}

/** `POST /api/models/{id}/paths-info/{rev}` with `paths` and `expand`, as JSON or as a form: the paths that exist. */
export function pathsInfo(
  repo: Repo,
  commit: string,
  contentType: string,
  body: string,
  options: Pick<HubShape, 'xet' | 'folders'>,
): Reply {
  const asked = readPathsInfo(contentType, body);
  if (asked === null) return errorReply(400, null, 'Invalid body');
  const entries = entriesUnder(repo, commit, '', true, options) ?? [];
  const rows = entries.filter(({ path }) => asked.paths.includes(path));
  return jsonReply(200, asked.expand ? rows.map((row) => expanded(row, commit)) : rows);
}

/** `GET /api/models/{id}/refs`. */
export function refsOf(repo: Repo): Reply {
  const named = [...repo.revisions].map(([name, targetCommit]) => ({ name, targetCommit }));
  const pulls = named.filter(({ name }) => name.startsWith('refs/pr/'));
  const tags = named.filter(({ name }) => /^v\d/.test(name));
  const branches = named.filter((ref) => !pulls.includes(ref) && !tags.includes(ref));
  return jsonReply(200, {
    branches: branches.map((ref) => ({ ...ref, ref: `refs/heads/${ref.name}` })),
    converts: [],
    tags: tags.map((ref) => ({ ...ref, ref: `refs/tags/${ref.name}` })),
    pullRequests: pulls.map((ref) => ({ ...ref, ref: ref.name })),
  });
}

/** `GET /api/models/{id}/commits/{rev}`: the newest alone. */
export function commitList(commit: string): Reply {
  return jsonReply(200, [{ id: commit, title: 'files', message: '', authors: [], date: COMMITTED_AT }]);
}

interface PathsInfoRequest {
  readonly paths: readonly string[];
  readonly expand: boolean;
}

function readPathsInfo(contentType: string, body: string): PathsInfoRequest | null {
  if (contentType.startsWith('application/x-www-form-urlencoded')) {
    const form = new URLSearchParams(body);
    return { paths: form.getAll('paths'), expand: form.get('expand')?.toLowerCase() === 'true' };
  }
  try {
    const { paths, expand } = JSON.parse(body) as { readonly paths: readonly string[]; readonly expand?: boolean };
    return { paths, expand: expand === true };
  } catch {
    return null;
  }
}

function expanded(entry: TreeEntry, commit: string) {
  const lastCommit = { id: commit, title: 'files', date: COMMITTED_AT };
  if (entry.type !== 'file') return { ...entry, lastCommit };
  // huggingface_hub wants `pickleImportScan` inside wherever there is such a status.
  const scan = { status: 'safe' };
  return { ...entry, lastCommit, securityFileStatus: { ...scan, avScan: scan, pickleImportScan: scan } };
}

function nextLink(url: URL, offset: number, { links, nextPageOrigin }: ListingOptions): string | string[] {
  const next = new URL(url.href.slice(url.origin.length), nextPageOrigin ?? url.origin);
  // Base64 within base64, as on the real hub: a cursor is opaque.
  const inner = Buffer.from(JSON.stringify({ offset })).toString('base64');
  next.searchParams.set('cursor', Buffer.from(`${inner}:${offset}`).toString('base64'));
  const other = formatLink('/style.css', 'preload');
  if (links === 'joined') return `${other}, ${formatLink(next.href, 'next')}`;
  if (links === 'repeated') return [other, formatLink(next.href, 'next')];
  if (links === 'parameter_first') return `<${next.href}>; title="page, next"; rel="next"`;
  if (links === 'bare') return `<${next.href}>;rel=next`;
  if (links === 'relative') return formatLink(next.pathname + next.search, 'next');
  if (links === 'upper') return `<${next.href}>; REL="NEXT"`;
  if (links === 'several') return formatLink(next.href, 'last next');
  return formatLink(next.href, 'next');
}

function cursorOffset(cursor: string | null): number | null {
  if (cursor === null) return 0;
  const match = /^([\w+/=]+):(\d+)$/.exec(Buffer.from(cursor, 'base64').toString());
  return match === null ? null : Number(match[2]);
}

/** null when the folder does not exist. */
function entriesUnder(
  repo: Repo,
  commit: string,
  folder: string,
  recursive: boolean,
  { xet, folders }: Pick<HubShape, 'xet' | 'folders'>,
): TreeEntry[] | null {
  const prefix = folder === '' ? '' : `${folder}/`;
  const entries = new Map<string, TreeEntry>();
  for (const file of filesOf(repo, commit)) {
    if (!file.path.startsWith(prefix)) continue;
    const names = file.path.slice(prefix.length).split('/');
    for (let depth = 1; depth < names.length && (recursive || depth === 1); depth += 1) {
      const path = prefix + names.slice(0, depth).join('/');
      const oid = folders === 'with_oid' ? { oid: folderOid(commit, path) } : {};
      entries.set(path, { type: 'directory', ...oid, size: 0, path });
    }
    if (recursive || names.length === 1) entries.set(file.path, fileEntry(file, xet));
  }
  if (entries.size === 0 && folder !== '') return null;
  return [...entries.values()];
}

function fileEntry(file: StoredFile, xet: boolean): TreeEntry {
  const { path, size, sha256, pointer, xetHash } = file;
  return {
    type: 'file',
    oid: gitOid(file),
    size,
    ...(file.lfs ? { lfs: { oid: sha256, size, pointerSize: pointer.size } } : {}),
    ...(file.lfs && xet ? { xetHash } : {}),
    path,
  };
}

/** The file as git stores it: for an LFS file only the pointer. */
const gitOid = (file: StoredFile): string => (file.lfs ? file.pointer.oid : file.gitSha1);

const folderOid = (commit: string, path: string): string =>
  createHash('sha1').update(`${commit}\n${path}`).digest('hex');

export function filesOf(repo: Repo, commit: string): StoredFile[] {
  const files = [...(repo.trees.get(commit)?.values() ?? [])];
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Python clients send `True`. */
const isTrue = (url: URL, name: string): boolean => url.searchParams.get(name)?.toLowerCase() === 'true';
