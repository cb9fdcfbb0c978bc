import { isRedacted, RbeeError, redactModelRef, type UrlRef } from '@rbee/contract';
import {
  errorOfPage,
  errorOfStatus,
  headerOf,
  isStrayPage,
  type Location,
  type ResponseHeaders,
  strongEtag,
} from '@rbee/transfer';
import { discard, type HttpClient, type HttpResponse, requestFollowing } from '../http/request.ts';
import { placeName, safeFileName, versionBlobName, versionOf } from '../names.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { fileNameOf } from './content-disposition.ts';

/** The longest ref that can be read back. */
const MAX_REF_CHARACTERS = 512;
const MAX_DATE_CHARACTERS = 512;
/** The store's name for the newest version at a URL. */
const LATEST = 'latest';
/** Responses to a HEAD from servers without it, and from addresses that are signed for GET only. */
const REFUSES_HEAD: ReadonlySet<number> = new Set([400, 403, 405, 501]);

/** One file at a URL. */
export function createWebSource(http: HttpClient): Source<'https' | 'http'> {
  return {
    async resolve(ref, signal): Promise<ResolvedModel> {
      if (isRedacted(ref)) throw secretIsGone();
      const url = new URL(ref.url);
      const found = await inspect(http, url, signal);
      const name = nameOf(found, url);
      // Without a digest nothing else would tell a login page from the file.
      if (ref.sha256 === null && isStrayPage(found.headers, name)) throw errorOfPage(name, { isFinal: true });
      const commit = commitOf(ref, found);
      const isUnversioned = ref.sha256 === null && found.validator === null;
      const file: SourceFile = {
        path: name,
        blobName: ref.sha256 ?? versionBlobName(commit),
        size: found.size,
        sha256: ref.sha256,
        gitSha1: null,
        locate: locator(http, url, found, (again) => isUnversioned || commitOf(ref, again) === commit),
        ...(isUnversioned ? { isUnversioned } : {}),
      };
      return {
        place: `${ref.scheme}:${placeName(url.host, ref.url)}`,
        title: url.host,
        revision: LATEST,
        commit,
        files: [file],
        pinnedRef: (sha256) => pinned(ref, sha256),
      };
    },
  };
}

/** A digest beats any validator: it names the same version on another day and on another server. */
function commitOf(ref: UrlRef, { size, validator }: Found): string {
  return versionOf(ref.sha256 === null ? [ref.url, validator, size] : [ref.url, ref.sha256]);
}

interface Found {
  /** After redirects. */
  readonly url: URL;
  readonly size: number | null;
  /** Tells this version from others; null where the server sends nothing that does. */
  readonly validator: string | null;
  readonly etag: string | null;
  readonly fileName: string | null;
  readonly headers: ResponseHeaders;
}

/** Requests the headers and, where HEAD is refused or says too little, the first byte. */
async function inspect(http: HttpClient, url: URL, signal: AbortSignal): Promise<Found> {
  const head = await requestFollowing(http, { method: 'HEAD', url, signal });
  discard(head);
  if (head.status < 300) {
    const found = toFound(head);
    if (found.size !== null && found.validator !== null) return found;
  } else if (!REFUSES_HEAD.has(head.status)) {
    throw errorOfStatus(head.status, head.headers);
  }
  const first = await requestFollowing(http, { method: 'GET', url, headers: { range: 'bytes=0-0' }, signal });
  discard(first);
  // An empty file has no first byte.
  if (first.status >= 300 && first.status !== 416) throw errorOfStatus(first.status, first.headers);
  return toFound(first);
}

function toFound({ url, status, headers }: HttpResponse): Found {
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
    headers,
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

function nameOf(found: Found, url: URL): string {
  const named = found.fileName === null ? null : safeFileName(found.fileName);
  return named ?? safeFileName(lastPart(url)) ?? safeFileName(lastPart(found.url)) ?? 'model';
}

function lastPart({ pathname }: URL): string {
  const part = pathname.slice(pathname.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(part);
  } catch {
    // Not every server encodes URLs correctly; the text is made safe either way.
    return part;
  }
}

/** Returns the address that was found once; after that the URL is inspected again. */
function locator(http: HttpClient, url: URL, found: Found, isSame: (again: Found) => boolean): SourceFile['locate'] {
  let fresh: Found | null = found;
  return async (signal): Promise<Location> => {
    const { url: address, etag } = fresh ?? (await inspectAgain(http, url, isSame, signal));
    fresh = null;
    return { url: address.href, headers: { 'user-agent': http.userAgent }, validator: etag };
  };
}

/** Another version must not get the name of this one. */
async function inspectAgain(
  http: HttpClient,
  url: URL,
  isSame: (again: Found) => boolean,
  signal: AbortSignal,
): Promise<Found> {
  const again = await inspect(http, url, signal);
  if (isSame(again)) return again;
  throw new RbeeError('SOURCE_CHANGED', `the file at ${url.host} has changed`, {
    hint: 'start the download again, or pin it with ::sha256=',
  });
}

function pinned(ref: UrlRef, sha256: string | null): string {
  const text = redactModelRef({ ...ref, sha256: ref.sha256 ?? sha256 });
  return text.length <= MAX_REF_CHARACTERS ? text : redactModelRef(ref);
}

// The secret of a signed URL is never stored, so such a download cannot resume by itself after a restart.
function secretIsGone(): RbeeError {
  return new RbeeError('MODEL_REF_INVALID', 'the secret part of this URL is not stored', {
    hint: 'download it again with the whole URL: it resumes with what is on disk',
  });
}
