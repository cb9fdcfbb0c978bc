import { headerOf, type ResponseHeaders } from '@rbee/http';

/** What a hub says about a file when it redirects to its CDN, which may say neither version nor date. */
export interface LinkedFile {
  /** Tells this version from others. */
  readonly version: string;
  /** Of an LFS file; null for any other. */
  readonly sha256: string | null;
  /** Git's digest of a plain file; null for an LFS file. */
  readonly gitSha1: string | null;
  readonly size: number | null;
}

/** The file that the first redirect of a hub is about; null where no redirect names a commit and a file. */
export function linkedFile(redirects: readonly { readonly headers: ResponseHeaders }[]): LinkedFile | null {
  for (const { headers } of redirects) {
    const commit = headerOf(headers, 'x-repo-commit');
    const etag = /^(?:W\/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?$/.exec(headerOf(headers, 'x-linked-etag') ?? '')?.[1];
    if (commit === null || !/^[0-9a-f]{40}$/.test(commit) || etag === undefined) continue;
    const size = headerOf(headers, 'x-linked-size') ?? '';
    return {
      version: etag,
      sha256: etag.length === 64 ? etag : null,
      gitSha1: etag.length === 40 ? etag : null,
      size: /^\d{1,15}$/.test(size) ? Number(size) : null,
    };
  }
  return null;
}
