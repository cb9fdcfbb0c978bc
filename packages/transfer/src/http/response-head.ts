import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders, strongEtag } from './headers.ts';
import { errorOfStatus } from './http-error.ts';

/** What is asked of a server: a file from an offset on. */
export interface RangeRequest {
  readonly url: string;
  /** Sent to the URL's own origin only. */
  readonly headers: Readonly<Record<string, string>>;
  /** First byte wanted. With 0 and no end the whole file is asked for, without a range. */
  readonly start: number;
  /** Exclusive; null or left out: up to the end of the file. */
  readonly end?: number | null;
  /** Size of the whole file; null where it is not known. */
  readonly size: number | null;
  /** Strong ETag that the answer has to have; null where none is known. */
  readonly validator: string | null;
  /** Whether a digest is checked at the end, so that a missing validator or length cannot hide a fault. */
  readonly isVerified: boolean;
  /** The file's name, for messages and to know whether it may be a web page. */
  readonly name: string;
}

/** What an accepted answer brings: bytes `[start, end)` of a file of `total` bytes; null = not said. */
export interface RangeHead {
  /** The request's start, or 0 where the server sends the file from its front although asked for a part. */
  readonly start: number;
  readonly end: number | null;
  readonly total: number | null;
  /** Strong ETag; null where there is none. */
  readonly validator: string | null;
}

/** The headers that ask for a range. Identity encoding, so that lengths and offsets mean the file's bytes. */
export function rangeHeaders(request: RangeRequest): Record<string, string> {
  const { start, end = null, validator } = request;
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (start === 0 && end === null) return headers;
  headers['range'] = `bytes=${start}-${end === null ? '' : end - 1}`;
  if (validator !== null) headers['if-range'] = validator;
  return headers;
}

/**
 * Checks the status and headers of a final answer (no redirect) before any byte of it is used.
 * @throws RbeeError SOURCE_CHANGED, DOWNLOAD_FAILED or what `errorOfStatus` says
 */
export function checkHead(request: RangeRequest, status: number, headers: ResponseHeaders): RangeHead {
  if (status === 416) return checkBeyondEnd(request, headers);
  if (status !== 200 && status !== 206) throw errorOfStatus(status, headers);
  // A page may have an ETag of its own, which must not pass for that of another version of the file.
  if (status === 200) checkIsNoPage(request, headers, request.size);
  const validator = strongEtag(headerOf(headers, 'etag'));
  if (request.validator !== null && validator !== null && validator !== request.validator) throw changed(request);
  const encoding = headerOf(headers, 'content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw fault(
      request,
      `came with the content encoding ${JSON.stringify(encoding.slice(0, 40))} that was not asked for`,
    );
  }
  return status === 206 ? checkPart(request, headers, validator) : checkWhole(request, headers, validator);
}

function checkPart(request: RangeRequest, headers: ResponseHeaders, validator: string | null): RangeHead {
  const { start, size, end: asked = null } = request;
  const range = parseContentRange(headerOf(headers, 'content-range'));
  if (range === null) throw fault(request, 'came in part without a Content-Range that can be read');
  const total = range.total ?? size;
  if (total === null) throw fault(request, 'came in part by a server that does not say how much there is');
  if (range.start !== start || range.end <= start || range.end > (asked ?? total) || range.end > total) {
    throw fault(request, `came from byte ${range.start} to ${range.end} where ${start} was asked for`);
  }
  if (size !== null && total !== size) throw fault(request, `has ${total} bytes where ${size} were expected`);
  if (request.validator !== null && validator === null && !request.isVerified) {
    throw fault(request, 'came without the ETag that shows that it is still the same');
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
  // A body that ends with its connection cannot be told from one that was cut.
  if (total === null && !isFramed && !isVerified) {
    throw new RbeeError('DOWNLOAD_FAILED', `the server does not say how long ${request.name} is`, {
      hint: 'give its sha256, so that it can be checked',
    });
  }
  return { start: 0, end: total, total, validator };
}

/** 416 is right where every byte is there already: then the body that is left is empty. */
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
    throw fault(request, `came with ${length} bytes where ${expected} were expected`);
  }
}

/** @param expected bytes of the body where it is no page; null where that is not known */
function checkIsNoPage(request: RangeRequest, headers: ResponseHeaders, expected: number | null): void {
  const type = headerOf(headers, 'content-type') ?? '';
  if (!/^\s*(text\/html|application\/xhtml\+xml)/i.test(type) || /\.x?html?$/i.test(request.name)) return;
  // Some servers label every file as a page, so a page is one unless its length is that of the file.
  if (expected !== null && lengthOf(headers) === expected) return;
  throw new RbeeError('DOWNLOAD_FAILED', `a web page came in place of ${request.name}`, {
    hint: 'a login page or a captive portal may be in the way',
  });
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
    hint: 'start again, or pin a revision or a sha256',
    details,
  });
}

function fault(request: RangeRequest, what: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `${request.name} ${what}`);
}
