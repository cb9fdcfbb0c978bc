import { followJob } from '../daemon-client/follow-streams.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import type { CommandDeps } from './command-deps.ts';
import { resolveJobId } from './job-cancel.ts';
import { jobFailure } from './job-failure.ts';

/** Follows a job's narration, from its first line to its end. Returns the exit code. */
export async function jobWatch(deps: CommandDeps, text: string): Promise<number> {
  const id = await resolveJobId(deps, text);
  const end = await followJob(deps, id);
  deps.emit({ event: 'end', data: { job_id: id, ...end } });
  if (end.state === 'completed') return exitCodes.done;
  const failure = await jobFailure(deps, id, end);
  deps.emit({ event: 'failure', failure });
  return failure.exitCode;
}
