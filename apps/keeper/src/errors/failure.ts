import { exitCodes } from './exit-codes.ts';
import { KeeperError } from './keeper-error.ts';

/** Why a command failed, as the renderers print it. */
export interface Failure {
  /** A code of the contract or of the keeper. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly exitCode: number;
}

/** Any error as a failure. An error that is neither the contract's nor the keeper's is reported as a bug. */
export async function toFailure(error: unknown): Promise<Failure> {
  if (error instanceof KeeperError) return failureOf(error);
  // Imported here, so that a usage error does not load the schemas.
  const { RbeeError } = await import('./rbee-error.ts');
  if (error instanceof RbeeError) return failureOf(error, error.details);
  return {
    code: 'INTERNAL',
    message: `bug in rbee-keeper: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'please report it with the command that you ran',
    exitCode: exitCodes.failed,
  };
}

interface CodedError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
}

function failureOf(error: CodedError, details?: Readonly<Record<string, unknown>>): Failure {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(details === undefined ? {} : { details }),
    exitCode: error.exitCode,
  };
}
