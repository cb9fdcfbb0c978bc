/** Exit codes of the keeper, as printed in `--help`. */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  unauthorised: 4,
  interrupted: 130,
} as const;

interface CodeRow {
  /** HTTP status of responses with this code. */
  readonly http: number;
  /** Exit code of the keeper. */
  readonly exit: number;
  /** Whether a download retries it: always, once with its own counter, or never. */
  readonly retried: 'yes' | 'once' | 'no';
}

const row = (http: number, retried: CodeRow['retried'] = 'no', exit: number = EXIT_CODES.failed): CodeRow => ({
  http,
  exit,
  retried,
});

/** Every error code that crosses the wire. */
export const ERROR_CODES = {
  MODEL_REF_INVALID: row(400, 'no', EXIT_CODES.usage),
  REQUEST_INVALID: row(400, 'no', EXIT_CODES.usage),
  OPERATION_UNKNOWN: row(400, 'no', EXIT_CODES.usage),
  API_KEY_MISSING: row(401, 'no', EXIT_CODES.unauthorised),
  API_KEY_INVALID: row(401, 'no', EXIT_CODES.unauthorised),
  SOURCE_NOT_ALLOWED: row(403),
  ORIGIN_REFUSED: row(403),
  MODEL_NOT_FOUND: row(404),
  JOB_NOT_FOUND: row(404),
  DOWNLOAD_NOT_FOUND: row(404),
  HIVE_NOT_FOUND: row(404),
  ROUTE_NOT_FOUND: row(404),
  METHOD_NOT_ALLOWED: row(405),
  STATUS_CONFLICT: row(409),
  PAYLOAD_TOO_LARGE: row(413),
  MEDIA_TYPE_UNSUPPORTED: row(415),
  RATE_LIMITED: row(429),
  TOO_MANY_STREAMS: row(429),
  INTERNAL: row(500),
  MODEL_TOKEN_MISSING: row(502),
  MODEL_TOKEN_INVALID: row(502),
  MODEL_GATED: row(502),
  MODEL_ACCESS_DENIED: row(502),
  DOWNLOAD_TIMEOUT: row(502, 'yes'),
  DOWNLOAD_FAILED: row(502, 'yes'),
  SOURCE_UNAVAILABLE: row(502, 'yes'),
  SOURCE_CHANGED: row(502, 'once'),
  CHECKSUM_MISMATCH: row(502, 'once'),
  HIVE_UNAVAILABLE: row(503, 'no', EXIT_CODES.unreachable),
  STATE_UNAVAILABLE: row(503),
  DISK_FULL: row(507),
  STORE_NOT_WRITABLE: row(507),
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface RbeeErrorOptions {
  /** What to do next. */
  readonly hint?: string;
  /** Facts for a program: never a token, a signed URL or the request's body. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Milliseconds that the other side asked us to wait (its `Retry-After`). */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error that crosses a process boundary. A bug is a plain `Error`. Branch on `code`, never on `message`. */
export class RbeeError extends Error {
  override readonly name = 'RbeeError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: RbeeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }

  get httpStatus(): number {
    return ERROR_CODES[this.code].http;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  /** Whether the same request may succeed when repeated. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retried !== 'no';
  }
}

/** An `RbeeError` unchanged; anything else is a bug and becomes `INTERNAL` without its message. */
export function toRbeeError(error: unknown): RbeeError {
  if (error instanceof RbeeError) return error;
  return new RbeeError('INTERNAL', 'internal error', {
    hint: "look up the request id in the daemon's log",
    cause: error,
  });
}
