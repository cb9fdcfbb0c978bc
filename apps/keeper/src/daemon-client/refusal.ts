import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract';
import { unexpected } from './exchange.ts';

export interface RefusalOptions {
  readonly daemon: 'queen' | 'hive';
  readonly url: string;
  readonly status: number;
  /** The JSON of the answer, where it had any. */
  readonly body: unknown;
  readonly requestId?: string;
}

/** The error that an answer other than success stands for: the daemon's own, with where it comes from. */
export function refusalOf({ daemon, url, status, body, requestId }: RefusalOptions): Error {
  const error = errorIn(body);
  // What the daemon logged it under, which is its own id where it did not take ours.
  const loggedAs = error?.requestId ?? requestId;
  const where = { [`${daemon}_url`]: url, ...(loggedAs === undefined ? {} : { request_id: loggedAs }) };
  const tokenHint = status === 401 ? 'give its token with --token or RBEE_API_TOKEN' : undefined;
  if (error !== null) {
    const hint = error.hint ?? tokenHint;
    return new RbeeError(error.code, error.message, {
      ...(hint === undefined ? {} : { hint }),
      details: { ...error.details, ...where },
    });
  }
  if (tokenHint !== undefined) {
    return new RbeeError('API_KEY_INVALID', `the ${daemon} at ${url} asks for a token`, {
      hint: tokenHint,
      details: where,
    });
  }
  return unexpected({ daemon, url }, `it answers with HTTP ${status}`);
}

interface DaemonError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly requestId?: string;
}

/** The contract's envelope of errors, read by hand: the schemas take longer to load than a list takes to be fetched. */
function errorIn(body: unknown): DaemonError | null {
  if (!isRecord(body) || !isRecord(body.error)) return null;
  const { code, message, hint, details, request_id: requestId } = body.error;
  if (typeof code !== 'string' || !isErrorCode(code) || typeof message !== 'string') return null;
  return {
    code,
    message,
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(isRecord(details) ? { details } : {}),
    ...(typeof requestId === 'string' ? { requestId } : {}),
  };
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CODES, code);

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
