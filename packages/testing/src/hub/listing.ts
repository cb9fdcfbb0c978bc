import { createHash } from 'node:crypto';
import { errorReply } from './access.ts';
import { jsonReply, type Reply } from './reply.ts';
import type { Repo, StoredFile } from './repo.ts';

export interface ListingOptions {
  /** The most entries on one page, whatever the client asks for. */
  readonly treePageSize: number;
}

interface TreeEntry {
  readonly type: 'file' | 'directory';
  readonly oid: string;
  readonly size: number;
  readonly path: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
}

/** `GET /api/models/{id}` and `…/revision/{rev}`; `?blobs=true` adds sizes and digests. */
export function modelInfo(repo: Repo, commit: string, url: URL): Reply {
  const blobs = url.searchParams.get('blobs') === 'true';
  const siblings = filesOf(repo, commit).map((file) => ({
    rfilename: file.path,
    ...(blobs ? { size: file.size, blobId: gitOid(file) } : {}),
    ...(blobs && file.lfs ? { lfs: { sha256: file.sha256, size: file.size, pointerSize: file.pointer.size } } : {}),
  }));
  const { id, gated, private: isPrivate } = repo;
  return jsonReply(200, {
    _id: commit.slice(0, 24),
    id,
    modelId: id,
    sha: commit,
    private: isPrivate,
    gated,
    siblings,
  });
}

/** `GET /api/models/{id}/tree/{rev}/{path}`, in pages; the next one is named by the `Link` header. */
export function treePage(repo: Repo, commit: string, folder: string, url: URL, options: ListingOptions): Reply {
  const entries = entriesUnder(repo, commit, folder, url.searchParams.get('recursive') === 'true');
  if (entries === null) return errorReply(404, 'EntryNotFound', `${folder} does not exist on "${commit}"`);
  const limit = Number(url.searchParams.get('limit') ?? options.treePageSize);
  if (!(limit >= 1)) return errorReply(400, null, '"limit" must be greater than or equal to 1');
  const start = cursorOffset(url.searchParams.get('cursor'));
  if (start === null) return errorReply(400, null, 'Invalid cursor');
  const end = start + Math.min(Math.floor(limit), options.treePageSize);
  return jsonReply(200, entries.slice(start, end), end < entries.length ? { Link: nextLink(url, end) } : {});
}

/** `POST /api/models/{id}/paths-info/{rev}` with `{paths, expand?}`: those of the paths that are files. */
export function pathsInfo(repo: Repo, commit: string, body: string): Reply {
  const { paths, expand } = JSON.parse(body) as { readonly paths: readonly string[]; readonly expand?: boolean };
  const asked = filesOf(repo, commit).filter(({ path }) => paths.includes(path));
  const lastCommit = { id: commit, title: 'files', date: '2025-01-01T00:00:00.000Z' };
  return jsonReply(
    200,
    asked.map((file) => ({ ...fileEntry(file), ...(expand === true ? { lastCommit } : {}) })),
  );
}

function nextLink(url: URL, offset: number): string {
  const next = new URL(url);
  next.searchParams.set('cursor', Buffer.from(JSON.stringify({ offset })).toString('base64'));
  return `<${next.href}>; rel="next"`;
}

function cursorOffset(cursor: string | null): number | null {
  if (cursor === null) return 0;
  const match = /^\{"offset":(\d+)\}$/.exec(Buffer.from(cursor, 'base64').toString());
  return match === null ? null : Number(match[1]);
}

/** null where there is no such folder. */
function entriesUnder(repo: Repo, commit: string, folder: string, recursive: boolean): TreeEntry[] | null {
  const prefix = folder === '' ? '' : `${folder}/`;
  const entries = new Map<string, TreeEntry>();
  for (const file of filesOf(repo, commit)) {
    if (!file.path.startsWith(prefix)) continue;
    const names = file.path.slice(prefix.length).split('/');
    for (let depth = 1; depth < names.length && (recursive || depth === 1); depth += 1) {
      const path = prefix + names.slice(0, depth).join('/');
      entries.set(path, { type: 'directory', oid: folderOid(commit, path), size: 0, path });
    }
    if (recursive || names.length === 1) entries.set(file.path, fileEntry(file));
  }
  if (entries.size === 0 && folder !== '') return null;
  return [...entries.values()];
}

function fileEntry(file: StoredFile): TreeEntry {
  const { path, size, sha256, pointer } = file;
  return {
    type: 'file',
    oid: gitOid(file),
    size,
    ...(file.lfs ? { lfs: { oid: sha256, size, pointerSize: pointer.size } } : {}),
    path,
  };
}

/** What git itself has: for an LFS file only the pointer. */
const gitOid = (file: StoredFile): string => (file.lfs ? file.pointer.oid : file.gitSha1);

const folderOid = (commit: string, path: string): string =>
  createHash('sha1').update(`${commit}\n${path}`).digest('hex');

function filesOf(repo: Repo, commit: string): StoredFile[] {
  const files = [...(repo.trees.get(commit)?.values() ?? [])];
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
