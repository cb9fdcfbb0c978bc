import { isRedacted, RbeeError, redactModelRef, type UrlRef } from '@rbee/contract';
import { errorOfStatus, headerOf, type Location, type ResponseHeaders, strongEtag } from '@rbee/transfer';
import { type Answer, type Asking, askFollowing, discard } from '../http/request.ts';
import { placeName, safeFileName, versionBlobName, versionOf } from '../names.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { fileNameOf } from './content-disposition.ts';

/** The longest ref that can be read back. */
const MAX_REF_CHARACTERS = 512;
const MAX_DATE_CHARACTERS = 512;
/** What a URL stands for may move; this is what the store calls the newest. */
const LATEST = 'latest';
/** Of a HEAD: servers that do not know it, and addresses that are signed for GET alone. */
const REFUSES_HEAD: ReadonlySet<number> = new Set([400, 403, 405, 501]);

/** One file at a URL of its own. */
export function createWebSource(deps: Asking): Source<UrlRef> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      if (isRedacted(ref)) throw secretIsGone();
      const asked = new URL(ref.url);
      const found = await look(deps, asked, signal);
      const name = nameOf(found, asked);
      assertIsNoPage(found, name, ref);
      const commit = commitOf(ref, found);
      const isUnversioned = ref.sha256 === null && found.validator === null;
      const file: SourceFile = {
        path: name,
        blobName: ref.sha256 ?? versionBlobName(commit),
        size: found.size,
        sha256: ref.sha256,
        gitSha1: null,
        locate: locator(deps, asked, found, (again) => isUnversioned || commitOf(ref, again) === commit),
        ...(isUnversioned ? { isUnversioned } : {}),
      };
      return {
        place: `${ref.scheme}:${placeName(asked.host, ref.url)}`,
        title: asked.host,
        revision: LATEST,
        commit,
        files: [file],
        pinnedRef: (sha256) => pinned(ref, sha256),
      };
    },
  };
}

/** A digest says more than any validator: it names the same version also on another day and another server. */
function commitOf(ref: UrlRef, { size, validator }: Found): string {
  return versionOf(ref.sha256 === null ? [ref.url, validator, size] : [ref.url, ref.sha256]);
}

interface Found {
  /** After redirects. */
  readonly url: URL;
  readonly size: number | null;
  /** What tells this version from others; null where the server says nothing that does. */
  readonly validator: string | null;
  readonly etag: string | null;
  readonly fileName: string | null;
  readonly isPage: boolean;
}

/** Asks for the headers, and where those are refused or say too little for the first byte. */
async function look(deps: Asking, url: URL, signal: AbortSignal): Promise<Found> {
  const head = await askFollowing(deps, { method: 'HEAD', url, signal });
  discard(head);
  if (head.status < 300) {
    const found = toFound(head);
    if (found.size !== null && found.validator !== null) return found;
  } else if (!REFUSES_HEAD.has(head.status)) {
    throw errorOfStatus(head.status, head.headers);
  }
  const first = await askFollowing(deps, { method: 'GET', url, headers: { range: 'bytes=0-0' }, signal });
  discard(first);
  // An empty file has no first byte.
  if (first.status >= 300 && first.status !== 416) throw errorOfStatus(first.status, first.headers);
  return toFound(first);
}

function toFound({ url, status, headers }: Answer): Found {
  const size = sizeOf(status, headers);
  const etag = strongEtag(headerOf(headers, 'etag'));
  const modified = headerOf(headers, 'last-modified');
  const isDated = modified !== null && size !== null && modified.length <= MAX_DATE_CHARACTERS;
  return {
    url,
    size,
    etag,
    validator: etag ?? (isDated ? `${modified} ${size}` : null),
    fileName: fileNameOf(headerOf(headers, 'content-disposition')),
    isPage: /^\s*(?:text\/html|application\/xhtml\+xml)/i.test(headerOf(headers, 'content-type') ?? ''),
  };
}

function sizeOf(status: number, headers: ResponseHeaders): number | null {
  const encoding = headerOf(headers, 'content-encoding')?.toLowerCase() ?? 'identity';
  if (status === 206 || status === 416) {
    const total = /^bytes (?:\d{1,15}-\d{1,15}|\*)\/(\d{1,15})$/.exec(headerOf(headers, 'content-range') ?? '')?.[1];
    return total === undefined ? null : Number(total);
  }
  const length = headerOf(headers, 'content-length') ?? '';
  return encoding === 'identity' && /^\d{1,15}$/.test(length) ? Number(length) : null;
}

function nameOf({ fileName, url }: Found, asked: URL): string {
  const said = fileName === null ? null : safeFileName(fileName);
  return said ?? safeFileName(lastPart(asked)) ?? safeFileName(lastPart(url)) ?? 'model';
}

function lastPart({ pathname }: URL): string {
  const part = pathname.slice(pathname.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(part);
  } catch {
    // Not every server encodes as a URL wants it; the text is made safe either way.
    return part;
  }
}

/** Without a digest nothing else would tell a login page from the file. */
function assertIsNoPage(found: Found, name: string, ref: UrlRef): void {
  if (!found.isPage || ref.sha256 !== null || /\.x?html?$/i.test(name)) return;
  throw new RbeeError('DOWNLOAD_FAILED', `a web page came in place of ${name}`, {
    hint: 'a login page may be in the way; for a file of a hub name it as hf:org/repo::file=path',
  });
}

/** What was found is as good as new; only when that address was refused is the way to it gone again. */
function locator(deps: Asking, asked: URL, found: Found, isSame: (again: Found) => boolean): SourceFile['locate'] {
  let fresh: Found | null = found;
  return async (signal): Promise<Location> => {
    const { url, etag } = fresh ?? (await lookAgain(deps, asked, isSame, signal));
    fresh = null;
    return { url: url.href, headers: { 'user-agent': deps.userAgent }, validator: etag };
  };
}

/** Another version must not end up under the name of this one. */
async function lookAgain(
  deps: Asking,
  asked: URL,
  isSame: (again: Found) => boolean,
  signal: AbortSignal,
): Promise<Found> {
  const again = await look(deps, asked, signal);
  if (isSame(again)) return again;
  throw new RbeeError('SOURCE_CHANGED', `what ${asked.host} has at that address has changed`, {
    hint: 'start again, or pin it with ::sha256=',
  });
}

function pinned(ref: UrlRef, sha256: string | null): string {
  const text = redactModelRef({ ...ref, sha256: ref.sha256 ?? sha256 });
  return text.length <= MAX_REF_CHARACTERS ? text : redactModelRef(ref);
}

// What a signed URL holds is kept nowhere, so a download of one that a restart has cut cannot go on by itself.
function secretIsGone(): RbeeError {
  return new RbeeError('MODEL_REF_INVALID', 'the URL is here without its secret part, which is not kept', {
    hint: 'ask for the model again with the whole URL: what is on disk is used',
  });
}
