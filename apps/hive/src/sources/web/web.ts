import { isRedacted, RbeeError, redactModelRef, type UrlRef } from '@rbee/contract';
import { headerOf, type ResponseHeaders, strongEtag } from '@rbee/http';
import { errorOfPage, errorOfStatus, isStrayPage, type Location } from '@rbee/transfer';
import {
  discard,
  HEAD_TIMEOUT_MS,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  isUnanswered,
  requestFollowing,
} from '../http/request.ts';
import { placeName, safeFileName, versionBlobName, versionOf } from '../names.ts';
import type { ResolvedModel, Source, SourceFile } from '../source.ts';
import { fileNameOf } from './content-disposition.ts';
import { linkedFile } from './linked-file.ts';

/** The longest ref that can be read back. */
const MAX_REF_CHARACTERS = 8_192;
const MAX_DATE_CHARACTERS = 512;
/** The store's name for the newest version at a URL. */
const LATEST = 'latest';
/** Statuses of a request for one byte that mean the same without a range. */
const SAME_WITHOUT_RANGE: ReadonlySet<number> = new Set([401, 404, 410]);

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
      const sha256 = ref.sha256 ?? found.sha256;
      const isUnversioned = sha256 === null && found.validator === null;
      const file: SourceFile = {
        path: name,
        blobName: sha256 ?? versionBlobName(commit),
        size: found.size,
        sha256,
        gitSha1: sha256 === null ? found.gitSha1 : null,
        locate: locator(http, url, found, (again) => isUnversioned || commitOf(ref, again) === commit),
        ...(isUnversioned ? { isUnversioned } : {}),
      };
      return {
        place: `${ref.scheme}:${placeName(url.host, ref.url)}`,
        title: url.host,
        revision: LATEST,
        commit,
        files: [file],
        pinnedRef: (known) => pinned(ref, known),
      };
    },
  };
}

/** A digest beats any validator: it names the same version on another day and on another server. */
function commitOf(ref: UrlRef, { size, validator, sha256 }: Found): string {
  const digest = ref.sha256 ?? sha256;
  return versionOf(digest === null ? [ref.url, validator, size] : [ref.url, digest]);
}

interface Found {
  /** After redirects. */
  readonly url: URL;
  readonly size: number | null;
  /** Tells this version from others; null where the server sends nothing that does. */
  readonly validator: string | null;
  readonly etag: string | null;
  /** What a hub's redirect said; else null. */
  readonly sha256: string | null;
  readonly gitSha1: string | null;
  readonly fileName: string | null;
  readonly headers: ResponseHeaders;
}

/**
 * Requests the headers. A HEAD that is refused, is not answered or says too little is followed by a GET for the first
 * byte, and that, where it is refused, by a plain one whose body is not read.
 */
async function inspect(http: HttpClient, url: URL, signal: AbortSignal): Promise<Found> {
  const head = await inspectHead(http, url, signal);
  if (head !== null) return head;
  const ranged = await inspectWith(http, { method: 'GET', url, headers: { range: 'bytes=0-0' }, signal });
  const { status } = ranged;
  // An empty file has no first byte.
  if (status < 300 || (status === 416 && ranged.size !== null)) return ranged;
  if (isLimit(ranged) || SAME_WITHOUT_RANGE.has(status)) throw errorOfStatus(status, ranged.headers);
  const plain = await inspectWith(http, { method: 'GET', url, signal });
  if (plain.status < 300) return plain;
  throw errorOfStatus(plain.status, plain.headers);
}

/** Null where only a GET can tell. */
async function inspectHead(http: HttpClient, url: URL, signal: AbortSignal): Promise<Found | null> {
  let found: Inspected;
  try {
    found = await inspectWith(http, { method: 'HEAD', url, signal, headersTimeoutMs: HEAD_TIMEOUT_MS });
  } catch (error) {
    signal.throwIfAborted();
    if (isUnanswered(error)) return null;
    throw error;
  }
  if (isLimit(found)) throw errorOfStatus(found.status, found.headers);
  const isGood = found.status < 300 && found.size !== null && found.size > 0 && found.validator !== null;
  return isGood && !isStrayPage(found.headers, nameOf(found, url)) ? found : null;
}

/** A server that asks for patience gets no second request. */
function isLimit({ status, headers }: Inspected): boolean {
  return status === 429 || (status === 503 && headerOf(headers, 'retry-after') !== null);
}

interface Inspected extends Found {
  readonly status: number;
}

async function inspectWith(http: HttpClient, request: HttpRequest): Promise<Inspected> {
  const redirects: HttpResponse[] = [];
  const response = await requestFollowing(http, request, (hop) => redirects.push(hop));
  discard(response);
  return { ...toFound(response, request.url, redirects), status: response.status };
}

function toFound({ url, status, headers }: HttpResponse, from: URL, redirects: readonly HttpResponse[]): Found {
  const linked = linkedFile(redirects);
  const size = sizeOf(status, headers) ?? linked?.size ?? null;
  const etag = strongEtag(headerOf(headers, 'etag'));
  const modified = headerOf(headers, 'last-modified');
  const isDated = modified !== null && size !== null && modified.length <= MAX_DATE_CHARACTERS;
  return {
    // What a redirect set as a cookie is known only on the way.
    url: redirects.some((hop) => hop.headers['set-cookie'] !== undefined) ? from : url,
    size,
    etag,
    validator: linked?.version ?? etag ?? (isDated ? `${modified} ${size}` : null),
    sha256: linked?.sha256 ?? null,
    gitSha1: linked?.gitSha1 ?? null,
    fileName: fileNameOf(headerOf(headers, 'content-disposition')),
    headers,
  };
}

function sizeOf(status: number, headers: ResponseHeaders): number | null {
  const encoding = headerOf(headers, 'content-encoding')?.toLowerCase() ?? 'identity';
  if (status === 206 || status === 416) {
    const total = /\/\s*(\d{1,15})\s*$/.exec(headerOf(headers, 'content-range') ?? '')?.[1];
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
