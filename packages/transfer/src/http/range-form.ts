import { RbeeError } from '@rbee/contract/plain';
import { isRefusalOfRange, RangeDeniedError } from './range-refusal.ts';
import type { RangeRequest } from './response-head.ts';

/** How a range is requested: bound to a version by `If-Range`, from whatever version there is, or not at all. */
export type RangeForm = 'bound' | 'loose' | 'whole';

/**
 * The headers that request a range. Identity encoding, so that lengths and offsets count the file's bytes. A range also from the first byte
 * on, since some CDNs refuse to send a very large file whole; an empty file has no range.
 */
export function rangeHeaders(request: RangeRequest, form: RangeForm = 'bound'): Record<string, string> {
  const { start, end = null, size, validator, isVerified } = request;
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (form === 'whole' || size === 0) return headers;
  headers['range'] = `bytes=${start}-${end === null ? '' : end - 1}`;
  const isRest = start > 0 || end !== null;
  if (form === 'bound' && isRest && validator !== null && !isVerified) headers['if-range'] = validator;
  return headers;
}

/** Statuses of servers that cannot serve a range although they have the file. */
const REFUSED: ReadonlySet<unknown> = new Set([400, 416, 501]);

/** How the first request of a range is made. */
export function firstForm({ mayBeWhole = false, refusals = 0 }: RangeRequest): RangeForm {
  return mayBeWhole && refusals >= 2 ? 'whole' : 'bound';
}

/**
 * How a refused request is made instead; null if the refusal is final. Without `If-Range` for servers that do not know it; without a range
 * for those that cannot serve one, and with one for those that do not send a file of this size whole.
 */
export function nextForm(request: RangeRequest, tried: readonly RangeForm[], error: unknown): RangeForm | null {
  const form = tried.at(-1);
  const status = error instanceof RbeeError ? error.details?.['status'] : undefined;
  if (form === 'bound' && status === 412) return 'loose';
  if (form === 'whole') return status === 400 && tried.length === 1 ? 'loose' : null;
  if (request.mayBeWhole !== true || request.size === 0 || tried.includes('whole')) return null;
  const isFree = request.start === 0 || (error instanceof RangeDeniedError && (request.refusals ?? 0) > 0);
  return REFUSED.has(status) || (isRefusalOfRange(error) && isFree) ? 'whole' : null;
}
