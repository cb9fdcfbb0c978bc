import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders, strongEtag } from '@rbee/http';
import { packingOf, wayPackingOf } from './content-encoding.ts';
import { parseContentRange } from './content-range.ts';
import { errorOfStatus } from './http-error.ts';
import { RangeUnusableError } from './range-refusal.ts';
import { errorOfPage, isStrayPage } from './web-page.ts';

/** A response may begin this much before the requested byte, at a border of blocks: what comes first is skipped. */
const maxLeadBytes = 16 * 2 ** 20;
const blockBytes = 512;

/** A request for a range of a file. */
export interface RangeRequest {
  readonly url: string;
  /** Sent to the URL's own origin only. */
  readonly headers: Readonly<Record<string, string>>;
  /** First byte. */
  readonly start: number;
  /** Exclusive; null or left out: up to the end of the file. */
  readonly end?: number | null;
  /** Size of the whole file; null if unknown. */
  readonly size: number | null;
  /** Strong ETag that the response must have; null if unknown. */
  readonly validator: string | null;
  /** Whether a digest is checked at the end: it decides, whatever the validator or the encoding. */
  readonly isVerified: boolean;
  /** Whether the whole file is welcome where the range is refused: nobody else fetches a part of it. */
  readonly mayBeWhole?: boolean;
  /** How often a range of this file could not be used before; after the second time the whole file is requested. */
  readonly refusals?: number;
  /** The file's name, for messages and to tell whether it may be a web page. */
  readonly name: string;
}

/** An accepted response: bytes `[start, end)` of a file of `total` bytes; null if the server does not say. */
export interface RangeHead {
  /** The requested start, or 0 if the server ignores the range and sends the file from its front. */
  readonly start: number;
  readonly end: number | null;
  readonly total: number | null;
  /** Strong ETag; null if there is none. */
  readonly validator: string | null;
  /** Bytes of the body before the start and after the end; left out where there are none. */
  readonly lead?: number;
  readonly tail?: number;
}

/**
 * Checks the status and headers of a final response (no redirect) before any byte of it is used.
 * @throws RbeeError SOURCE_CHANGED, DOWNLOAD_FAILED or as `errorOfStatus`
 */
export function checkHead(request: RangeRequest, status: number, headers: ResponseHeaders): RangeHead {
  if (status === 416) return checkBeyondEnd(request, headers);
  if (status !== 200 && status !== 206) throw errorOfStatus(status, headers);
  // First: the ETag of a web page must not be mistaken for that of another version of the file.
  if (status === 200) checkIsNoPage(request, headers, request.size);
  const validator = strongEtag(headerOf(headers, 'etag'));
  if (isOther(request, validator) && !request.isVerified) throw changed(request);
  checkPacking(request, headers);
  return status === 206 ? checkPart(request, headers, validator) : checkWhole(request, headers, validator);
}

/** Edges and backends of one source may differ in their ETags: where a digest is checked, they prove nothing. */
function isOther(request: RangeRequest, validator: string | null): boolean {
  return request.validator !== null && validator !== null && validator !== request.validator;
}

/** A body that is packed while it is sent has no length; one that is stored with a wrong label has one. */
function checkPacking(request: RangeRequest, headers: ResponseHeaders): void {
  const wayPacking = wayPackingOf(headers);
  if (wayPacking !== null) {
    const what = `has the transfer encoding ${JSON.stringify(wayPacking.slice(0, 40))}, which was not requested`;
    throw new RbeeError('DOWNLOAD_FAILED', `${request.name} ${what}`, {
      hint: 'the server, or a proxy before it, packs what it sends: turn that off, or use another address',
    });
  }
  const packing = packingOf(headers, request.name);
  if (packing === null || (request.isVerified && lengthOf(headers) !== null)) return;
  const what = `has the content encoding ${JSON.stringify(packing.slice(0, 40))}, which was not requested`;
  throw new RbeeError('DOWNLOAD_FAILED', `${request.name} ${what}`, {
    hint: 'if the server labels its files wrongly, pass the sha256 of this one, so that it can be verified',
  });
}

function checkPart(request: RangeRequest, headers: ResponseHeaders, validator: string | null): RangeHead {
  const { start, size, end: requestedEnd = null } = request;
  const range = parseContentRange(headerOf(headers, 'content-range'), size);
  if (range === null) throw unusable(request, 'was sent in part without a valid Content-Range');
  const total = range.total ?? size;
  if (total === null) throw unusable(request, 'was sent in part by a server that does not give its size');
  if (size !== null && total !== size) throw otherSize(request, validator, total);
  if (request.validator !== null && validator === null && !request.isVerified) {
    throw unusable(request, 'was sent without the ETag that proves it is unchanged');
  }
  const length = lengthOf(headers);
  const bodyBytes = range.end - range.start;
  if (length !== null && length !== bodyBytes) throw unusable(request, `has ${length} bytes instead of ${bodyBytes}`);
  checkIsNoPage(request, headers, size === null ? null : bodyBytes);
  const known = { total, validator: validator ?? request.validator };
  // The whole file, only with another status.
  if (range.start === 0 && range.end === total && start > 0) return { start: 0, end: total, ...known };
  const end = Math.min(range.end, requestedEnd ?? total);
  const lead = start - range.start;
  const tail = range.end - end;
  // A header that does not fit its body would shift bytes: only a length, or a digest, tells.
  const isProven = (lead === 0 && tail === 0) || length !== null || request.isVerified;
  const isWidened = range.end >= (requestedEnd ?? total) && range.start % blockBytes === 0;
  const isBlock = lead === 0 || (lead > 0 && lead <= maxLeadBytes && isWidened);
  if (!isProven || !isBlock || end <= start) {
    throw unusable(request, `was sent from byte ${range.start} to ${range.end} instead of from ${start}`);
  }
  return { start, end, ...known, ...(lead > 0 ? { lead } : {}), ...(tail > 0 ? { tail } : {}) };
}

function checkWhole(request: RangeRequest, headers: ResponseHeaders, validator: string | null): RangeHead {
  const { size, isVerified } = request;
  const length = lengthOf(headers);
  if (size !== null && length !== null && length !== size) throw otherSize(request, validator, length);
  const total = size ?? length;
  const isFramed = length !== null || headerOf(headers, 'transfer-encoding') !== null;
  // A body that ends with its connection cannot be told from a truncated one.
  if (total === null && !isFramed && !isVerified) {
    throw new RbeeError('DOWNLOAD_FAILED', `the server does not give the size of ${request.name}`, {
      hint: 'pass its sha256, so that it can be verified',
    });
  }
  return { start: 0, end: total, total, validator };
}

/** 416 is correct if every byte is there already: the rest of the file is empty. */
function checkBeyondEnd(request: RangeRequest, headers: ResponseHeaders): RangeHead {
  const { start, size, isVerified } = request;
  const match = /^(?:bytes)?\s*[=:]?\s*\*\s*\/\s*(\d{1,15})$/i.exec(
    (headerOf(headers, 'content-range') ?? '').slice(0, 128),
  );
  const total = match === null ? size : Number(match[1]);
  const validator = strongEtag(headerOf(headers, 'etag')) ?? request.validator;
  if (start > 0 && total === start && (isVerified || validator === request.validator)) {
    return { start, end: start, total, validator };
  }
  if (start === 0 || total === null || (total > start && total === (size ?? total))) throw errorOfStatus(416, headers);
  throw changed(request, { status: 416 });
}

/** @param expected length of the body if it is the file; null if unknown */
function checkIsNoPage(request: RangeRequest, headers: ResponseHeaders, expected: number | null): void {
  if (!isStrayPage(headers, request.name)) return;
  // Some servers label every file as text/html: it is the file if its length is right.
  if (expected !== null && lengthOf(headers) === expected) return;
  throw errorOfPage(request.name);
}

function lengthOf(headers: ResponseHeaders): number | null {
  const text = headerOf(headers, 'content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function changed(request: RangeRequest, details: Readonly<Record<string, unknown>> = {}): RbeeError {
  return new RbeeError('SOURCE_CHANGED', `${request.name} has changed at its source`, {
    hint: 'start over, or pin a revision or a sha256',
    details,
  });
}

/** Another size is another version, or a response that is wrong. */
function otherSize(request: RangeRequest, validator: string | null, total: number): RbeeError {
  return isOther(request, validator)
    ? changed(request)
    : headError(request, `has ${total} bytes instead of ${request.size}`);
}

function unusable(request: RangeRequest, what: string): RbeeError {
  return new RangeUnusableError(`${request.name} ${what}`);
}

function headError(request: RangeRequest, what: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `${request.name} ${what}`);
}
