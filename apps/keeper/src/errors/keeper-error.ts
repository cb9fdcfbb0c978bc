import { exitCodes } from './exit-codes.ts';

/** What goes wrong in the keeper itself, on the near side of the wire, and the exit code of each. */
const EXIT_OF = {
  /** The command line cannot be carried out as it is written. */
  USAGE: exitCodes.usage,
  /** Nothing answers where the queen should be. */
  QUEEN_UNREACHABLE: exitCodes.unreachable,
  /** Something answers, but not as a queen does. */
  ANSWER_UNEXPECTED: exitCodes.failed,
  /** A daemon that the keeper runs itself did not start, or ended by itself. */
  DAEMON_FAILED: exitCodes.failed,
  /** A job ended without success, and its daemon gave no code of its own. */
  JOB_FAILED: exitCodes.failed,
  JOB_CANCELLED: exitCodes.failed,
} as const;

export type KeeperErrorCode = keyof typeof EXIT_OF;

export interface KeeperErrorOptions {
  /** What the reader should do next. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error of the keeper itself. What a daemon answers is an `RbeeError` of the contract. */
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
