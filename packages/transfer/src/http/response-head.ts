import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders, strongEtag } from './headers.ts';
import { errorOfStatus } from './http-error.ts';
import { errorOfPage, isStrayPage } from './web-page.ts';

/** A request for a range of a file. */
export interface RangeRequest {
  readonly url: string;
  /** Sent to the URL's own origin only. */
  readonly headers: Readonly<Record<string, string>>;
  /** First byte. With 0 and no end the whole file is requested, without a `Range`. */
  readonly start: number;
  /** Exclusive; null or left out: up to the end of the file. */
  readonly end?: number | null;
  /** Size of the whole file; null if unknown. */
  readonly size: number | null;
  /** Strong ETag that the response must have; null if unknown. */
  readonly validator: string | null;
  /** Whether a digest is checked at the end, which makes up for a missing validator or length. */
  readonly isVerified: boolean;
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
}

/** The headers that request a range. Identity encoding, so that lengths and offsets count the file's bytes. */
export function rangeHeaders(request: RangeRequest): Record<string, string> {
  const { start, end = null, validator } = request;
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (start === 0 && end === null) return headers;
  headers['range'] = `bytes=${start}-${end === null ? '' : end - 1}`;
  if (validator !== null) headers['if-range'] = validator;
  return headers;
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
  if (request.validator !== null && validator !== null && validator !== request.validator) throw changed(request);
  const encoding = headerOf(headers, 'content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw headError(
      request,
      `has the content encoding ${JSON.stringify(encoding.slice(0, 40))}, which was not requested`,
    );
  }
  return status === 206 ? checkPart(request, headers, validator) : checkWhole(request, headers, validator);
}

function checkPart(request: RangeRequest, headers: ResponseHeaders, validator: string | null): RangeHead {
  const { start, size, end: requestedEnd = null } = request;
  const range = parseContentRange(headerOf(headers, 'content-range'));
  if (range === null) throw headError(request, 'was sent in part without a valid Content-Range');
  const total = range.total ?? size;
  if (total === null) throw headError(request, 'was sent in part by a server that does not give its size');
  if (range.start !== start || range.end <= start || range.end > (requestedEnd ?? total) || range.end > total) {
    throw headError(request, `was sent from byte ${range.start} to ${range.end} instead of from ${start}`);
  }
  if (size !== null && total !== size) throw headError(request, `has ${total} bytes instead of ${size}`);
  if (request.validator !== null && validator === null && !request.isVerified) {
    throw headError(request, 'was sent without the ETag that proves it is unchanged');
  }
  checkLength(request, headers, range.end - start);
  checkIsNoPage(request, headers, size === null ? null : range.end - start);
  return { start, end: range.end, total, validator: validator ?? request.validator };
}

function checkWhole(request: RangeRequest, headers: ResponseHeaders, validator: string | null): RangeHead {
  const { size, isVerified } = request;
  if (size !== null) checkLength(request, headers, size);
  const length = lengthOf(headers);
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
  const { start, size } = request;
  const match = /^bytes \*\/(\d{1,15})$/.exec(headerOf(headers, 'content-range') ?? '');
  const total = match === null ? size : Number(match[1]);
  const validator = strongEtag(headerOf(headers, 'etag')) ?? request.validator;
  if (start > 0 && total === start && validator === request.validator) {
    return { start, end: start, total, validator };
  }
  if (start === 0) throw errorOfStatus(416, headers);
  throw changed(request, { status: 416 });
}

function checkLength(request: RangeRequest, headers: ResponseHeaders, expected: number): void {
  const length = lengthOf(headers);
  if (length !== null && length !== expected) {
    throw headError(request, `has ${length} bytes instead of ${expected}`);
  }
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

interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly total: number | null;
}

function parseContentRange(value: string | null): ContentRange | null {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value ?? '');
  if (match === null) return null;
  const total = match[3] === '*' ? null : Number(match[3]);
  return { start: Number(match[1]), end: Number(match[2]) + 1, total };
}

function changed(request: RangeRequest, details: Readonly<Record<string, unknown>> = {}): RbeeError {
  return new RbeeError('SOURCE_CHANGED', `${request.name} has changed at its source`, {
    hint: 'start over, or pin a revision or a sha256',
    details,
  });
}

function headError(request: RangeRequest, what: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `${request.name} ${what}`);
}
