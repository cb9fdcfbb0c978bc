import { RbeeError } from '@rbee/contract/plain';
import { errorOfStatus } from '../http/http-error.ts';
import type { TransferNotice } from '../types.ts';
import type { Connection } from './connection.ts';

/** The whole file came on one connection while others fetch parts of it. */
export class RangeIgnoredError extends RbeeError {
  constructor(name: string) {
    super('DOWNLOAD_FAILED', `the server sent all of ${name} instead of a part`);
  }
}

/** Errors of the content or the disk, and bugs, end all connections; others only their own. */
export function endsAll(error: unknown): boolean {
  return !(error instanceof RbeeError) || (error.code === 'SOURCE_CHANGED' && !isBeyondEnd(error));
}

/**
 * How many connections the server accepts, judged by one that it did not serve while `left` others continue. Null if the error says nothing
 * about that: servers also close a connection that they have served before, just as its next request is on its way.
 */
export function limitAfter(error: unknown, { bytes, hasServed }: Connection, left: number): number | null {
  if (error instanceof RangeIgnoredError || isBeyondEnd(error)) return 1;
  return bytes === 0 && (!hasServed || statusOf(error) !== undefined) ? left : null;
}

export function noticeOfLoss(lost: unknown, left: number): TransferNotice {
  // That the file has changed is not said while others still fetch it.
  const error = isBeyondEnd(lost) ? errorOfStatus(416, {}) : lost;
  const what = error instanceof Error ? error.message : String(error);
  return {
    code: statusOf(error) === 429 ? 'THROTTLE' : 'RETRY',
    message: `${what}; continuing over ${left} connection${left === 1 ? '' : 's'}`,
    ...(error instanceof RbeeError ? { reason: error.code } : {}),
  };
}

/** A 416 on one connection while others fetch the same file says more about the server than about the file. */
function isBeyondEnd(error: unknown): boolean {
  return statusOf(error) === 416;
}

function statusOf(error: unknown): unknown {
  return error instanceof RbeeError ? error.details?.['status'] : undefined;
}
