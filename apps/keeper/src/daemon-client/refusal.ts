import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract';
import { unexpected } from './exchange.ts';

export interface RefusalOptions {
  readonly daemon: 'queen' | 'hive';
  readonly url: string;
  readonly status: number;
  /** The parsed JSON of the response, if any. */
  readonly body: unknown;
  readonly requestId?: string;
}

/** The error for an unsuccessful response: the daemon's own error with its origin. */
export function refusalOf({ daemon, url, status, body, requestId }: RefusalOptions): Error {
  const error = errorIn(body);
  // The daemon logs its own request id if it did not accept ours.
  const loggedAs = error?.requestId ?? requestId;
  const where = { [`${daemon}_url`]: url, ...(loggedAs === undefined ? {} : { request_id: loggedAs }) };
  const tokenHint = status === 401 ? 'set the token with --token or RBEE_API_TOKEN' : undefined;
  if (error !== null) {
    const hint = error.hint ?? tokenHint;
    return new RbeeError(error.code, error.message, {
      ...(hint === undefined ? {} : { hint }),
      details: { ...error.details, ...where },
    });
  }
  if (tokenHint !== undefined) {
    return new RbeeError('API_KEY_INVALID', `the ${daemon} at ${url} requires a token`, {
      hint: tokenHint,
      details: where,
    });
  }
  return unexpected({ daemon, url }, `it responded with HTTP ${status}`);
}

interface DaemonError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly requestId?: string;
}

/** Reads the contract's error envelope by hand: the schemas take longer to load than a list takes to fetch. */
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
