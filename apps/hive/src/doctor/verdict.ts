import { type CheckStatus, RbeeError } from '@rbee/contract';

/** The result of a check for people, and what to do. Never contains a token, a signed URL or a proxy's password. */
export interface Verdict {
  readonly status: CheckStatus;
  readonly message: string;
  readonly hint?: string;
}

export const ok = (message: string): Verdict => ({ status: 'ok', message });
export const skipped = (message: string, hint?: string): Verdict => verdict('skipped', message, hint);
export const warning = (message: string, hint: string): Verdict => verdict('warning', message, hint);
export const failed = (message: string, hint?: string): Verdict => verdict('failed', message, hint);

/** The verdict for an error of a source or the disk. Any other error is a bug and is rethrown. */
export function failureOf(error: unknown): Verdict {
  if (!(error instanceof RbeeError)) throw error;
  return failed(error.message, error.hint);
}

function verdict(status: CheckStatus, message: string, hint: string | undefined): Verdict {
  return { status, message, ...(hint === undefined ? {} : { hint }) };
}
