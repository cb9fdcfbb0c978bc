import { RbeeError } from '@rbee/contract';
import type { TransferNotice } from './file-request.ts';

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
 * error says nothing of that.
 */
export function limitAfter(error: unknown, bytes: number, left: number): number | null {
  if (error instanceof RangeIgnoredError || isBeyondEnd(error)) return 1;
  return bytes === 0 ? left : null;
}

export function noticeOfLoss(error: unknown, left: number): TransferNotice {
  const isThrottle = error instanceof RbeeError && error.details?.['status'] === 429;
  const what = error instanceof Error ? error.message : String(error);
  return {
    code: isThrottle ? 'THROTTLE' : 'RETRY',
    message: `${what}; goes on over ${left} connection${left === 1 ? '' : 's'}`,
    ...(error instanceof RbeeError ? { reason: error.code } : {}),
  };
}

/** What one connection is told to lie behind the end while others fetch it says more of the server than of the file. */
function isBeyondEnd(error: unknown): boolean {
  return error instanceof RbeeError && error.details?.['status'] === 416;
}
