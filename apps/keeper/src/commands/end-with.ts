import { exitCodes } from '../errors/exit-codes.ts';
import type { Failure } from '../errors/failure.ts';
import type { Session } from '../session.ts';

/** Shows why not every hive did it, and returns the exit code. */
export function endWith(session: Session, failure: Failure | null): number {
  if (failure === null) return exitCodes.done;
  session.renderer.failure(failure);
  return failure.exitCode;
}
