import { type JobEnd, RbeeError } from '@rbee/contract';
import { type Failure, toFailure } from '../errors/failure.ts';
import { KeeperError } from '../errors/keeper-error.ts';
import type { CommandDeps } from './command-deps.ts';

/**
 * Why a job was not completed. The last event of the stream has only the message; the job itself also has the hint and
 * the code, which sets the exit code.
 */
export async function jobFailure(deps: CommandDeps, jobId: string, end: JobEnd): Promise<Failure> {
  if (end.state === 'cancelled') {
    return toFailure(new KeeperError('JOB_CANCELLED', `the job ${jobId} was cancelled`));
  }
  const error = await deps.client.job(jobId, deps.signal).then(
    (job) => job.error,
    () => null,
  );
  if (error === null) {
    const message = end.state === 'failed' ? end.message : 'the job ended without a result';
    return toFailure(new KeeperError('JOB_FAILED', message));
  }
  const { code, message, hint, details } = error;
  const options = { ...(hint === undefined ? {} : { hint }), ...(details === undefined ? {} : { details }) };
  return toFailure(new RbeeError(code, message, options));
}
