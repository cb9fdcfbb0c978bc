import { RbeeError } from '@rbee/contract/plain';
import type { TransferNotice } from '../types.ts';
import type { Connection } from './connection.ts';

/** All of a file came where others fetch it in parts. */
export class RangeIgnoredError extends RbeeError {
  constructor(name: string) {
    super('DOWNLOAD_FAILED', `the server sent all of ${name} where a part was asked for`);
  }
}

/** What is wrong with the content or the disk is wrong for all connections; a bug is one for everybody. */
export function endsAll(error: unknown): boolean {
  return !(error instanceof RbeeError) || (error.code === 'SOURCE_CHANGED' && !isBeyondEnd(error));
}

/**
 * How many connections the server will take, judged by one that it did not serve while `left` others go on; null where the
 * error says nothing of that: servers also close a connection that they have served before, when its next request is on its way.
 */
export function limitAfter(error: unknown, { bytes, hasServed }: Connection, left: number): number | null {
  if (error instanceof RangeIgnoredError || isBeyondEnd(error)) return 1;
  return bytes === 0 && (!hasServed || statusOf(error) !== undefined) ? left : null;
}

export function noticeOfLoss(error: unknown, left: number): TransferNotice {
  const what = error instanceof Error ? error.message : String(error);
  return {
    code: statusOf(error) === 429 ? 'THROTTLE' : 'RETRY',
    message: `${what}; goes on over ${left} connection${left === 1 ? '' : 's'}`,
    ...(error instanceof RbeeError ? { reason: error.code } : {}),
  };
}

/** What one connection is told to lie behind the end while others fetch it says more of the server than of the file. */
function isBeyondEnd(error: unknown): boolean {
  return statusOf(error) === 416;
}

function statusOf(error: unknown): unknown {
  return error instanceof RbeeError ? error.details?.['status'] : undefined;
}
