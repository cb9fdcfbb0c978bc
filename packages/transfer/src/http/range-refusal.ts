import { RbeeError } from '@rbee/contract/plain';

/** A part of the file came, but which one is not known, or not the requested one. */
export class RangeUnusableError extends RbeeError {
  constructor(message: string) {
    super('DOWNLOAD_FAILED', message);
  }
}

/** Access is denied because of the range, as some CDNs say of valid ones. */
export class RangeDeniedError extends RbeeError {
  constructor(status: number) {
    super('MODEL_ACCESS_DENIED', `the server denies access to a part of the file (status ${status})`, {
      hint: 'the address may have expired or need a token',
      details: { status },
    });
  }
}

/** Whether the file could not be had in parts. Once may be an accident. */
export function isRefusalOfRange(error: unknown): boolean {
  return error instanceof RangeUnusableError || error instanceof RangeDeniedError;
}

/** Whether the text of a refusal blames the range. */
export function blamesRange(text: string): boolean {
  return /(?:invalid|bad|unsupported|not\s+satisfiable)[\s\w-]{0,20}range|range[\s\w-]{0,20}(?:invalid|not\s+(?:satisfiable|supported))/i.test(
    text,
  );
}
