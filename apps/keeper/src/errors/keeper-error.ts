import { exitCodes } from './exit-codes.ts';

/** The keeper's own errors, with their exit codes. */
const EXIT_OF = {
  /** The command line is invalid. */
  USAGE: exitCodes.usage,
  /** No queen responds at the address. */
  QUEEN_UNREACHABLE: exitCodes.unreachable,
  /** The response is not that of a queen of this version. */
  ANSWER_UNEXPECTED: exitCodes.failed,
  /** A daemon started by the keeper failed to start or exited unexpectedly. */
  DAEMON_FAILED: exitCodes.failed,
  /** A job failed without a code from its daemon. */
  JOB_FAILED: exitCodes.failed,
  JOB_CANCELLED: exitCodes.failed,
  /** The files could not be put into the folder of `--local-dir`. */
  LOCAL_DIR_FAILED: exitCodes.failed,
  /** The command of `--on-complete` could not be started. */
  COMMAND_FAILED: exitCodes.failed,
} as const;

export type KeeperErrorCode = keyof typeof EXIT_OF;

export interface KeeperErrorOptions {
  /** What the user should do next. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error of the keeper itself. A daemon's error is an `RbeeError` of the contract. */
export class KeeperError extends Error {
  override readonly name = 'KeeperError';
  readonly code: KeeperErrorCode;
  readonly hint: string | undefined;

  constructor(code: KeeperErrorCode, message: string, options: KeeperErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): number {
    return EXIT_OF[this.code];
  }
}

export function usageError(message: string, hint?: string): KeeperError {
  return new KeeperError('USAGE', message, hint === undefined ? {} : { hint });
}
